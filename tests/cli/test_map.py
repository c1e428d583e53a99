"""`boxbridge map`, as far as the pages about mapping do not follow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.main import cli
from bridge.errors import NoConfiguration


def test_a_configuration_that_is_named_and_not_there_is_said(tmp_path: Path) -> None:
    body = tmp_path / "alarm.json"
    body.write_text('{"type": "fire"}')
    with pytest.raises(NoConfiguration, match=r"none\.toml"):
        cli(["map", str(body), "-c", str(tmp_path / "none.toml")], standalone_mode=False)
