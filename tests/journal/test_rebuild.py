"""Making the index again, without a daemon: it then knows what is in the log, and a failure leaves all as it was."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.journal.inspect import Inspection
from bridge.journal.rebuild import rebuild
from bridge.journal.record import Kind
from tests.journal.faults import Fault
from tests.journal.journals import contents_of, damage, newest_segment, records, running, store

pytestmark = pytest.mark.anyio


def of_another(index: Path) -> None:
    """Give an index to another journal."""
    with closing(sqlite3.connect(index)) as connection, connection:
        connection.execute("UPDATE meta SET value = x'00' WHERE name = 'uuid'")


SPOILERS: dict[str, Callable[[Path], object]] = {
    "damaged": lambda index: index.write_bytes(b"garbage" * 9000),
    "missing": Path.unlink,
    "of another journal": of_another,
}


@pytest.fixture(params=SPOILERS)
async def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A stopped journal whose index can't be used."""
    async with running(tmp_path) as journal:
        for n in range(5):
            await store(journal, f"m{n}")
        await store(journal, "pair", events=2)
    SPOILERS[request.param](tmp_path / "index.sqlite")
    return tmp_path


def index_files(folder: Path) -> list[str]:
    """What lies there of an index, by name."""
    return sorted(path.name for path in folder.glob("index*"))


async def test_it_knows_all_events_again(folder: Path) -> None:
    assert rebuild(folder) == 7
    assert list(Inspection(folder).findings()) == []
    async with running(folder) as journal:
        assert len(await journal.find("pair")) == 2
        assert (await store(journal, "m3")).duplicate


async def test_what_a_sound_index_knows_of_a_damaged_event_stays_in_it(tmp_path: Path) -> None:
    """Given damaged records: as often as the index is made again, their events are found by id and msg_id."""
    async with running(tmp_path) as journal:
        for n in range(3):
            await store(journal, f"m{n}")
        ids = [(await journal.find(f"m{n}"))[0].id for n in range(3)]
    first, second, _ = records(newest_segment(tmp_path), Kind.PUSH)
    for record in (first, second):
        damage(newest_segment(tmp_path), record.offset + 60)
    assert [rebuild(tmp_path), rebuild(tmp_path)] == [3, 3]
    assert index_files(tmp_path) == ["index.sqlite"]
    assert {finding.events for finding in Inspection(tmp_path).findings()} == {(ids[0],), (ids[1],)}
    async with running(tmp_path) as journal:
        assert [(await journal.find(what))[0].sequence for what in ("m0", ids[0], ids[1])] == [1, 1, 2]
        assert not (await store(journal, "m0")).duplicate


async def test_a_segment_that_was_lost_is_missed_after_it_too(tmp_path: Path) -> None:
    """Given an index that knows events whose segment is gone: the next start says so, and gives no number twice."""
    for msg_id in ("a", "b"):
        async with running(tmp_path) as journal:
            await store(journal, msg_id)
    newest_segment(tmp_path).unlink()
    assert rebuild(tmp_path) == 2
    with capture_logs() as log:
        async with running(tmp_path) as journal:
            assert (await store(journal, "b")).sequence == 3
    assert "a segment was lost" in str(log)


async def test_one_that_did_not_come_to_its_end_forgets_no_damaged_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a rebuild that the disk let go half way: the next one takes over what the index before both knew."""
    async with running(tmp_path) as journal:
        await store(journal, "m0")
        (event,) = await journal.find("m0")
    (record,) = records(newest_segment(tmp_path), Kind.PUSH)
    damage(newest_segment(tmp_path), record.offset + 60)
    Fault(monkeypatch, "unlink", errno.EROFS, after=1)
    with pytest.raises(OSError, match="Read-only file system"):
        rebuild(tmp_path)
    assert rebuild(tmp_path) == 1
    assert index_files(tmp_path) == ["index.sqlite"]
    assert {finding.events for finding in Inspection(tmp_path).findings()} == {(event.id,)}


async def test_where_it_can_not_be_made_no_event_is_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Fault(monkeypatch, "unlink", errno.EROFS)
    with pytest.raises(OSError, match="Read-only file system"):
        rebuild(folder)
    assert disk.hits == 1
    assert await contents_of(folder) == {*(f"m{n}" for n in range(5)), "pair"}
