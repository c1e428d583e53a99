"""Room: what is told of it is what the disk says, and a disk that says nothing changes nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bridge.journal.cursor import now_ms
from bridge.journal.journal import Journal, Keep
from bridge.options import Size
from tests.journal.faults import Fault
from tests.journal.journals import TINY, running, store, until

pytestmark = pytest.mark.anyio
QUOTA = Keep(settled=1e9, dead=1e9, quota=Size("2MB"))
HOUR = 3_600_000


async def filled(journal: Journal) -> None:
    for n in range(20):
        await store(journal, f"m{n}", pictures=(b"picture %d" % n * 100,))
    await journal._in_writer(journal._measure)


async def take_all(journal: Journal) -> None:
    cursor = journal.cursors["out"]
    cursor.take(journal.next)
    for sequence in range(1, journal.next):
        cursor.settle(sequence, "delivered", 1)
    journal.moved()
    await until(lambda: not cursor.moved)


async def test_how_long_it_lasts_follows_from_the_rate_and_from_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.02)
    async with running(tmp_path, keep=QUOTA, limits=TINY) as journal:
        await filled(journal)
        before = journal.outlook()
        assert before.limit == 2_000_000
        assert before.held == pytest.approx(before.taken / before.limit)
        assert before.hours_left is not None
        # In the first ten minutes all that came counts as if it had come in ten.
        rate = journal.log.bytes_on_disk() * 6
        assert before.hours_left == pytest.approx(journal.room.left / rate, rel=0.01)
        await take_all(journal)
        after = journal.outlook()
        assert after.held < before.held, "what every output has yields"
        assert after.hours_left is not None
        assert after.hours_left > before.hours_left


async def test_where_nothing_came_for_a_day_nothing_is_told_of_how_long_it_lasts(tmp_path: Path) -> None:
    async with running(tmp_path, keep=QUOTA, limits=TINY) as journal:
        await filled(journal)
        assert journal.room.outlook([], now_ms() + 23 * HOUR).hours_left is not None
        assert journal.room.outlook([], now_ms() + 25 * HOUR).hours_left is None


async def test_where_the_disk_does_not_say_how_much_there_is_the_last_word_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, keep=QUOTA, limits=TINY) as journal:
        await filled(journal)
        before = journal.room.limit
        journal.keep = Keep(settled=1e9, dead=1e9, quota=Size("1MB"))
        with monkeypatch.context() as away:
            Fault(away, "statvfs", errno.EIO, times=10)
            await journal._in_writer(journal._measure)
        assert journal.room.limit == before
        assert "the room on the disk can't be measured" in capsys.readouterr().out
        await store(journal, "m")
        await journal._in_writer(journal._measure)
        assert journal.room.limit == 1_000_000
