"""The end of the daemon: in time, whatever its outputs are at."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bridge.testing import sample_push
from tests.end_to_end.installation import Installation


def test_an_archive_whose_share_hangs_does_not_keep_the_daemon_from_ending(tmp_path: Path) -> None:
    """Opening a pipe that nobody reads hangs as a write to a network share does whose server is gone."""
    share = tmp_path / "share"
    share.mkdir()
    os.mkfifo(share / ".probe.part")
    with Installation(tmp_path, f'[output.share]\ntype = "archive"\npath = "{share}"') as installation:
        assert installation.push(sample_push(small=True))[0] == 200
        began = time.monotonic()
        assert installation.stop() == 0
        assert time.monotonic() - began < 8
