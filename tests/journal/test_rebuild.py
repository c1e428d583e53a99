"""Making the index again, without a daemon: it then knows what is in the log, and a failure leaves all as it was."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bridge.journal.inspect import Inspection
from bridge.journal.rebuild import rebuild
from tests.journal.faults import Fault
from tests.journal.journals import contents_of, running, store

pytestmark = pytest.mark.anyio


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A stopped journal whose index is damaged."""
    async with running(tmp_path) as journal:
        for n in range(5):
            await store(journal, f"m{n}")
        await store(journal, "pair", events=2)
    (tmp_path / "index.sqlite").write_bytes(b"garbage" * 9000)
    return tmp_path


async def test_it_knows_all_events_again(folder: Path) -> None:
    assert rebuild(folder) == 7
    assert list(Inspection(folder).findings()) == []
    async with running(folder) as journal:
        assert len(await journal.find("pair")) == 2
        assert (await store(journal, "m3")).duplicate


async def test_where_it_can_not_be_made_no_event_is_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Fault(monkeypatch, "unlink", errno.EROFS)
    with pytest.raises(OSError, match="Read-only file system"):
        rebuild(folder)
    assert disk.hits == 1
    assert await contents_of(folder) == {*(f"m{n}" for n in range(5)), "pair"}
