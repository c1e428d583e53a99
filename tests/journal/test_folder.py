"""The folder: what is a segment of this journal, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.folder import survey
from tests.journal.journals import running, segment_files, store

pytestmark = pytest.mark.anyio


async def test_a_name_whose_file_is_gone_meanwhile_is_passed_by(tmp_path: Path) -> None:
    """As where a daemon deletes a segment between the look into the folder and the look at the file."""
    async with running(tmp_path) as journal:
        await store(journal, "m")
    (tmp_path / "00000009.seg").symlink_to(tmp_path / "gone")
    found = survey(tmp_path)
    assert [path for path, _ in found.segments] == segment_files(tmp_path)[:1]
    assert found.strays == []
