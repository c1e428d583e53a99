"""Retention: nothing goes that somebody still needs, as far as the disk knows, nor by a clock that jumped."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.journal.cursor import Cursor, now_ms
from bridge.journal.journal import Journal, Keep, Record
from bridge.journal.retention import retain
from tests.journal.faults import Fault, noted
from tests.journal.journals import TINY, crash_image, running, segment_files, store, until

pytestmark = pytest.mark.anyio
DAY = 86_400_000
NOTHING = Keep(settled=0, dead=1e9)


def take_all(cursor: Cursor, *, up_to: int) -> None:
    """Everything below is delivered."""
    first = cursor.next
    cursor.take(up_to)
    for sequence in range(first, up_to):
        cursor.settle(sequence, "delivered", 1)


async def filled(journal: Journal, pushes: int = 20) -> list[int]:
    """The bases of many segments."""
    for n in range(pushes):
        await store(journal, f"m{n}")
    assert len(journal.log.segments) > 5
    return [segment.base for segment in journal.log.segments]


async def logged(journal: Journal) -> None:
    """All that cursors did is on disk."""
    journal.moved()
    await until(lambda: not any(cursor.moved for cursor in journal.cursors.values()))


def run(journal: Journal, keep: Keep, *, in_days: float = 0.0, silent: bool = False) -> int:
    """Retention as it would run some time from now."""
    now = now_ms() + int(in_days * DAY)
    written = now - (DAY if silent else 0)
    return retain(journal.log, list(journal.cursors.values()), keep, now=now, written=written)


@pytest.fixture(autouse=True)
def log_cursors_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.02)


async def test_what_every_output_has_goes_when_it_is_old(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": "oldest", "b": "oldest"}, limits=TINY) as journal:
        bases = await filled(journal)
        for cursor in journal.cursors.values():
            take_all(cursor, up_to=bases[3] + 1)
        await logged(journal)
        keep = Keep(settled=7 * 86_400, dead=30 * 86_400)
        assert run(journal, keep, in_days=6.9) == 0
        assert run(journal, keep, in_days=7.1) == 3
        assert journal.log.first == bases[3]
        assert segment_files(tmp_path)[0].name == "00000004.seg"


async def test_the_slowest_output_holds_what_it_has_not(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": "oldest", "b": "oldest"}, limits=TINY) as journal:
        bases = await filled(journal)
        take_all(journal.cursors["a"], up_to=journal.next)
        take_all(journal.cursors["b"], up_to=bases[2])
        await logged(journal)
        assert run(journal, NOTHING) == 2


async def test_an_event_under_way_holds_its_segment(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        bases = await filled(journal)
        cursor = journal.cursors["out"]
        cursor.take(journal.next)
        for sequence in range(1, journal.next):
            if sequence != bases[4]:
                cursor.settle(sequence, "delivered", 1)
        await logged(journal)
        assert run(journal, NOTHING) == 4


async def test_the_newest_segment_never_goes(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        bases = await filled(journal)
        take_all(journal.cursors["out"], up_to=journal.next)
        await logged(journal)
        assert run(journal, NOTHING) >= len(bases) - 1
        assert len(journal.log.segments) >= 1
        assert (await store(journal, "after")).sequence == 21


async def test_what_only_memory_knows_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 3600)
    async with running(tmp_path / "journal", limits=TINY) as journal:
        await filled(journal)
        take_all(journal.cursors["out"], up_to=journal.next)
        assert run(journal, NOTHING) == 0
        image = crash_image(journal, tmp_path / "image")
    async with running(image) as journal:
        assert isinstance(await journal.read(journal.cursors["out"].next), Record)


async def test_dead_letters_hold_their_segment_until_they_expire(tmp_path: Path) -> None:
    async with running(tmp_path / "journal", limits=TINY) as journal:
        bases = await filled(journal)
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.bury(1, 1, "refused")
        take_all(cursor, up_to=journal.next)
        await logged(journal)
        keep = Keep(settled=0, dead=30 * 86_400)
        assert run(journal, keep, in_days=29) == 0
        assert cursor.dead == 1
        assert run(journal, keep, in_days=31) == 0  # it expires, but the disk does not know yet
        assert cursor.dead == 0
        image = crash_image(journal, tmp_path / "image")
        await logged(journal)
        assert run(journal, keep, in_days=31) >= len(bases) - 1
    async with running(image) as journal:
        (dead,) = journal.cursors["out"].dead_letters()
        assert isinstance(await journal.read(dead.sequence), Record)


async def test_too_many_dead_letters_expire_where_the_clock_is_not_sure_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.cursor.MOST_DEAD", 1)
    async with running(tmp_path / "journal", limits=TINY) as journal:
        await filled(journal)
        cursor = journal.cursors["out"]
        cursor.take(3)
        cursor.bury(1, 1, "refused")
        cursor.bury(2, 1, "refused")
        retain(journal.log, [cursor], Keep(settled=0, dead=3600), now=now_ms() + 2 * 3_600_000, written=now_ms())
        assert [entry.sequence for entry in cursor.dead_letters()] == [2]


async def test_a_removed_output_holds_what_it_has_not_for_as_long_as_dead_letters(tmp_path: Path) -> None:
    async with running(tmp_path / "journal", {"gone": "oldest", "out": "oldest"}, limits=TINY) as journal:
        bases = await filled(journal)
        journal.configure(["out"])
        take_all(journal.cursors["out"], up_to=journal.next)
        journal.cursors["gone"].take(3)
        await logged(journal)
        keep = Keep(settled=0, dead=30 * 86_400)
        assert run(journal, keep, in_days=29) == 0
        assert run(journal, keep, in_days=31) == 0  # given up, but the disk does not know yet
        image = crash_image(journal, tmp_path / "image")
        await logged(journal)
        assert run(journal, keep, in_days=31) >= len(bases) - 2
        await logged(journal)
        gone = journal.cursors["gone"]
        assert gone.next == journal.log.segments[-1].base
        assert gone.open_entries() == []
        later = crash_image(journal, tmp_path / "later")
    async with running(image, {"gone": "now", "out": "now"}) as journal:
        assert journal.cursors["gone"].next == 3
        assert isinstance(await journal.read(1), Record)
    async with running(later, {"gone": "now", "out": "now"}) as journal:
        assert journal.cursors["gone"].open_entries() == []
        assert journal.cursors["gone"].next == gone.next


async def test_without_outputs_age_alone_decides(tmp_path: Path) -> None:
    async with running(tmp_path, {}, limits=TINY) as journal:
        bases = await filled(journal)
        assert run(journal, Keep(settled=86_400, dead=1), in_days=0.9) == 0
        assert run(journal, Keep(settled=86_400, dead=1), in_days=1.1) == len(bases) - 1


async def test_a_clock_that_jumped_deletes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, {}, limits=TINY) as journal:
        await filled(journal)
        assert run(journal, NOTHING, in_days=3650, silent=True) == 0
        assert run(journal, Keep(settled=60, dead=60), in_days=-3650) == 0


async def test_a_disk_that_was_full_from_the_start_gets_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a start on a full disk, nothing says that the clock is right; what every output has goes all the same."""
    monkeypatch.setattr("bridge.journal.writer._REOPEN_SECONDS", (0.02,))
    async with running(tmp_path, {}, limits=TINY) as journal:
        await filled(journal)
    full = Fault(monkeypatch, "writev", errno.ENOSPC, times=10**6)
    async with running(tmp_path, {}, limits=TINY, keep=NOTHING) as journal:
        assert journal.closed_because
        await until(lambda: len(segment_files(tmp_path)) == 1)
        full.end()
        await until(lambda: journal.closed_because is None)


async def test_a_file_that_can_not_be_deleted_stays_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, {}, limits=TINY) as journal:
        bases = await filled(journal)
        Fault(monkeypatch, "unlink", errno.EROFS)
        assert run(journal, NOTHING) == 0
        assert isinstance(await journal.read(1), Record)
        assert run(journal, NOTHING) == len(bases) - 1


async def test_what_is_deleted_stays_deleted_before_the_index_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut brings it back unknown, and a push that comes again is stored beside it."""
    async with running(tmp_path, {}, limits=TINY) as journal:
        await filled(journal)
        calls = noted(monkeypatch, "unlink", "fsync")
        assert run(journal, NOTHING, in_days=1) == calls.count("unlink") > 1
        assert calls[-1] == "fsync"


async def test_a_folder_that_can_not_be_synced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, {}, limits=TINY) as journal:
        await filled(journal)
        Fault(monkeypatch, "fsync", errno.EIO)
        with capture_logs() as logs:
            assert run(journal, NOTHING, in_days=1) > 1
        assert "deleted segments may come back with a power cut" in [line["event"] for line in logs]


async def test_the_daemon_runs_it_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path, {}, limits=TINY) as journal:
        await filled(journal)
        await journal.find("m0")
        journal.keep = NOTHING
        journal._writer._retention_due = 0.0
        await store(journal, "after")
        await until(lambda: len(journal.log.segments) == 1)
        assert await journal.find("m0") == []
        assert len(await journal.find("after")) == 1
