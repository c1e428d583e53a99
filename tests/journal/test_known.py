"""Known pushes: no state of the index can swallow a push, and none stops one for long."""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.journal.index import Index, Rows
from bridge.journal.journal import Journal, JournalUnavailable
from bridge.journal.record import ChangesBlob
from tests.journal.faults import Fault
from tests.journal.journals import (
    TINY,
    contents,
    damage,
    running,
    store,
    store_all,
    until,
)

pytestmark = pytest.mark.anyio


def row_count(folder: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(f"{(folder / 'index.sqlite').as_uri()}?mode=ro", uri=True)) as connection:
        (pushes,) = connection.execute("SELECT count(*) FROM push").fetchone()
        (events,) = connection.execute("SELECT count(*) FROM event").fetchone()
    return pushes, events


def spoil(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def filled(folder: Path) -> None:
    async with running(folder) as journal:
        await store_all(journal, [f"m{n}" for n in range(20)])
        await store(journal, "pair", events=2)


def trees(folder: Path) -> list[str]:
    """What the index's questions go by."""
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        named = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        return [name for (name,) in connection.execute(named)]


async def still_knows_all(folder: Path) -> None:
    """All pushes are found, are duplicates when pushed again, and a new one is none."""
    async with running(folder) as journal:
        assert len(await journal.find("pair")) == 2
        assert len(await contents(journal)) == 21
        assert (await store(journal, "m7")).duplicate
        assert (await store(journal, "pair", events=2)).sequence == 21
        assert not (await store(journal, "new")).duplicate
    assert row_count(folder) == (22, 23)


async def test_the_index_is_written_behind_the_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        assert row_count(tmp_path) == (0, 0)
        await until(lambda: row_count(tmp_path) == (1, 1))
        await store_all(journal, [f"m{n}" for n in range(1_100)])
        await until(lambda: row_count(tmp_path) >= (1_025, 1_025), seconds=0.9)  # sooner where there are many


async def test_a_lost_index_is_made_again(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "index.sqlite").unlink()
    await still_knows_all(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage" * 9000], ids=["empty", "garbage"])
async def test_a_file_that_is_no_index_is_made_again(tmp_path: Path, content: bytes) -> None:
    await filled(tmp_path)
    (tmp_path / "index.sqlite").write_bytes(content)
    await still_knows_all(tmp_path)


@pytest.mark.parametrize("page", range(6))
async def test_a_damaged_page_loses_nothing(tmp_path: Path, page: int) -> None:
    await filled(tmp_path)
    path = tmp_path / "index.sqlite"
    assert path.stat().st_size > page * 4096
    damage(path, page * 4096, bytes(4096) if page else bytes(100))
    async with running(tmp_path) as journal:
        assert len(await contents(journal)) == 21
        for n in range(20):
            await store(journal, f"m{n}")
            await store(journal, f"new{n}")
        await store_all(journal, [f"many{n}" for n in range(1_100)])
        stored = set((await contents(journal)).values())
        assert stored >= {f"m{n}" for n in range(20)} | {f"new{n}" for n in range(20)}
        assert journal.closed_because is None
        await journal.find("m1")
        assert row_count(tmp_path)[0] == len(stored)


async def test_an_index_of_another_journal_swallows_nothing(tmp_path: Path) -> None:
    await filled(tmp_path / "one")
    async with running(tmp_path / "two") as journal:
        await store_all(journal, ["other", "m1", "m2"])
    shutil.copy(tmp_path / "two" / "index.sqlite", tmp_path / "one" / "index.sqlite")
    await still_knows_all(tmp_path / "one")


async def test_an_index_that_lies_swallows_nothing(tmp_path: Path) -> None:
    """Its rows name other records than those that lie there, as after msg_ids were used again."""
    await filled(tmp_path)
    spoil(
        tmp_path,
        "UPDATE push SET msg_id = 'new' WHERE sequence = 3",
        "INSERT INTO push VALUES (9999, 1, 'box', 'newer', x'31', x'')",
        "INSERT INTO push VALUES (-5, 1, 'box', 'newest', x'31', x'')",
    )
    async with running(tmp_path) as journal:
        for msg_id in ("new", "newer", "newest"):
            assert not (await store(journal, msg_id)).duplicate
        assert {"new", "newer", "newest"} <= set((await contents(journal)).values())


async def test_an_index_that_is_behind_reads_on(tmp_path: Path) -> None:
    await filled(tmp_path)
    old = tmp_path / "old.sqlite"
    shutil.copy(tmp_path / "index.sqlite", old)
    async with running(tmp_path) as journal:
        await store_all(journal, ["x", "y"])
    old.rename(tmp_path / "index.sqlite")
    async with running(tmp_path) as journal:
        assert (await store(journal, "x")).duplicate
        assert len(await journal.find("y")) == 1


async def test_an_index_that_is_ahead_is_an_alarm_and_numbering_goes_on_above(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 21):
            await store(journal, f"m{n}")
        lost = journal.log.segments[-2:]
    for segment in lost:
        segment.path.unlink()
    capsys.readouterr()
    async with running(tmp_path) as journal:
        assert f"ALARM: the index knows events that the log has not: a segment was lost events={21 - lost[0].base}" in (
            capsys.readouterr().out
        )
        assert (await store(journal, "after")).sequence == 21
        assert (await store(journal, "m20")).sequence == 22
        assert not (await store(journal, f"m{lost[0].base}")).duplicate
    async with running(tmp_path) as journal:
        assert "ALARM" not in capsys.readouterr().out
        assert (await store(journal, "after")).duplicate


async def test_without_an_index_pushes_are_taken_and_read(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir(parents=True)
    async with running(tmp_path) as journal:
        await store_all(journal, ["a", "b"])
        assert (await store(journal, "a")).duplicate
        assert set((await contents(journal)).values()) == {"a", "b"}
        (tmp_path / "index.sqlite").rmdir()
        assert len(await journal.find("a")) == 1
        assert row_count(tmp_path) == (2, 2)


async def test_an_index_that_breaks_while_it_runs_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store_all(journal, ["a", "b"])
        await journal.find("a")
        spoil(tmp_path, "DROP TABLE push")
        assert not (await store(journal, "c")).duplicate
        assert (await store(journal, "a")).duplicate
        assert len(await journal.find("c")) == 1
        assert row_count(tmp_path) == (3, 3)


async def test_an_index_that_stays_away_refuses_pushes_once_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.known._UNINDEXED_LIMIT", 10)
    (tmp_path / "index.sqlite").mkdir(parents=True)
    async with running(tmp_path) as journal:
        await store_all(journal, [f"m{n}" for n in range(10)])
        with pytest.raises(JournalUnavailable, match="the index can't be written"):
            await store(journal, "one too many")
        (tmp_path / "index.sqlite").rmdir()
        await taken_again(journal, "one too many")
        assert len(await contents(journal)) == 11


def bad_sector(monkeypatch: pytest.MonkeyPatch, *methods: str) -> None:
    """Make an index that has the table `bad` fail as SQLite does on a sector that can't be read."""

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(index: Index, *arguments: Any) -> Any:
            if index._opened().execute("SELECT 1 FROM sqlite_master WHERE name = 'bad'").fetchall():
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
                raise error
            return method(index, *arguments)

        return call

    for name in methods:
        monkeypatch.setattr(Index, name, failing(getattr(Index, name)))


def is_bad(folder: Path) -> bool:
    """Looked at without a write: even to connect would make a file that is just being replaced."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'index.sqlite'}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'bad'").fetchall() != []
    except sqlite3.Error:
        return True  # it is just being replaced


@pytest.mark.parametrize("methods", [("add",), ("find",), ("add", "find")], ids=" and ".join)
async def test_an_index_on_a_bad_sector_is_made_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...]
) -> None:
    monkeypatch.setattr("bridge.journal.known._LAZY_SECONDS", 0.01)
    monkeypatch.setattr("bridge.journal.known._BAD_SECTOR_SECONDS", 0.1, raising=False)
    await filled(tmp_path)
    spoil(tmp_path, "CREATE TABLE bad (x)")
    bad_sector(monkeypatch, *methods)
    async with running(tmp_path) as journal:
        for n in range(500):
            await store(journal, f"new{n}")
            await store(journal, "m9")
            if not is_bad(tmp_path):
                break
            await asyncio.sleep(0.01)
        assert not is_bad(tmp_path)
        await until(lambda: journal._writer.known._index.is_open)
        assert (await store(journal, "m8")).duplicate
        assert len(await journal.find("new0")) == 1


async def test_trouble_with_the_index_is_said_once_and_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bridge.journal.known._LAZY_SECONDS", 0.01)
    (tmp_path / "index.sqlite").mkdir(parents=True)
    tries: list[Path] = []
    opening = Index.open

    def counted(index: Index) -> None:
        tries.append(index.path)
        opening(index)

    monkeypatch.setattr(Index, "open", counted)
    async with running(tmp_path) as journal:
        await store(journal, "a")
        await until(lambda: len(tries) > 5)
        (tmp_path / "index.sqlite").rmdir()
        await until(lambda: not journal._writer.known._rows.pushes)
    out = capsys.readouterr().out
    assert out.count("the index can't be used, trying again") == 1
    assert out.count("the index is in use again") == 1


async def taken_again(journal: Journal, msg_id: str) -> None:
    await until(lambda: not journal._writer.known.full)
    await store(journal, msg_id)


async def test_what_retention_took_may_come_again(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(20):
            await store(journal, f"m{n}")
        await journal.find("m0")
        first = journal.log.segments[0]
        journal.log.drop(first)
        assert not (await store(journal, "m0")).duplicate
        journal._writer.known.forget(journal.log.first)
        assert row_count(tmp_path)[0] < 20


async def test_a_rebuild_says_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.known._TELL_SECONDS", 0.0)
    await filled(tmp_path)
    (tmp_path / "index.sqlite").unlink()
    async with running(tmp_path):
        assert "reading events into the index" in capsys.readouterr().out


async def test_an_index_whose_making_was_cut_short_is_completed(tmp_path: Path) -> None:
    await filled(tmp_path)
    whole = trees(tmp_path)
    assert "push_msg_id" in whole
    spoil(tmp_path, *(f"DROP INDEX {name}" for name in whole), "DELETE FROM push WHERE sequence > 9",
          "DELETE FROM event WHERE sequence > 9", "UPDATE meta SET value = 10 WHERE name = 'through'")  # fmt: skip
    await still_knows_all(tmp_path)
    assert trees(tmp_path) == whole


async def test_a_rebuild_holds_no_more_of_the_history_than_of_pushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a log that tells of many deliveries of few events: what went well is dropped, the rest written by parts."""
    monkeypatch.setattr("bridge.journal.known._REBUILD_ROWS", 50)
    async with running(tmp_path) as journal:
        await store(journal, "a")
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.settle(1, "delivered", 1)
        for _ in range(20):
            for _ in range(30):
                cursor.reopen(1, replay=True)
                cursor.settle(1, "delivered", 1)
            await journal.write_all()
    (tmp_path / "index.sqlite").unlink()
    held: list[int] = []
    add_history = Rows.add_history

    def counted(rows: Rows, blob: ChangesBlob) -> None:
        add_history(rows, blob)
        held.append(len(rows))
        assert "delivered" not in [row[3] for row in rows.troubles]

    monkeypatch.setattr(Rows, "add_history", counted)
    async with running(tmp_path):
        assert max(held) < 50 + 60
        assert len(held) >= 20


async def test_an_index_that_is_at_fault_again_and_again_stops_no_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bridge.journal.known._LAZY_SECONDS", 0.02)
    async with running(tmp_path) as journal:
        with monkeypatch.context() as faulty:
            faulty.setattr("bridge.journal.index._CHECKPOINT_BYTES", 0)
            faulty.setattr("bridge.journal.index._TOO_LARGE_BYTES", -1)
            for n in range(10):
                await store(journal, f"m{n}")
                await journal.write_all()
            assert (await store(journal, "m7")).duplicate
        await until(lambda: row_count_of(tmp_path) == 10)
        assert (await store(journal, "m7")).duplicate
    assert capsys.readouterr().out.count("the index is made again from the log") <= 2


def row_count_of(folder: Path) -> int:
    """How many pushes an index has that may just be being made."""
    try:
        return row_count(folder)[0]
    except sqlite3.Error:
        return -1


async def test_an_index_that_will_not_forget_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(4):
            await store(journal, f"m{n}")
        await journal.write_all()
        forbid = "CREATE TRIGGER no BEFORE DELETE ON push BEGIN SELECT RAISE(ABORT, 'no'); END"
        spoil(tmp_path, forbid)
        await journal._in_writer(lambda: journal._writer.known.forget(3))
        await journal.write_all()
        assert row_count(tmp_path) == (4, 4)
        await journal._in_writer(lambda: journal._writer.known.forget(3))
        assert row_count(tmp_path) == (2, 2)


async def test_a_damaged_index_that_can_not_be_removed_yet_is_made_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bridge.journal.known._LAZY_SECONDS", 0.02)
    await filled(tmp_path)
    (tmp_path / "index.sqlite").write_bytes(b"garbage" * 9000)
    disk = Fault(monkeypatch, "unlink", errno.EROFS, times=10**6)
    async with running(tmp_path) as journal:
        await store(journal, "new")
        assert "the old index can't be removed, trying again" in capsys.readouterr().out
        disk.end()
        await until(lambda: row_count_of(tmp_path) == 22)
        assert (await store(journal, "m7")).duplicate
