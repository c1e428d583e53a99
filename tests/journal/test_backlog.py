"""The backlog: an output that is away holds back so much and no more; what it missed by that is known for good."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.dispatch.order import Order
from bridge.journal.backlog import Backlog, backlog_of, bound, holder
from bridge.journal.cursor import Cursor, note_skipped, now_ms
from bridge.journal.journal import From, Journal, Keep, Record
from bridge.journal.record import Change, SkippedEntry
from bridge.journal.retention import retain
from bridge.options import Duration, Size
from tests.journal.journals import TINY, crash_image, running, store, until

pytestmark = pytest.mark.anyio
DAY = 86_400_000
NOTHING = Keep(settled=0, dead=1e9)
OUTPUTS: Mapping[str, From] = {"away": "oldest", "out": "oldest"}


@pytest.fixture(autouse=True)
def log_cursors_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.02)


async def filled(journal: Journal, pushes: int = 20) -> list[int]:
    """The bases of many segments, all of which one output has, and the other has not."""
    for n in range(pushes):
        await store(journal, f"m{n}")
    assert len(journal.log.segments) > 5
    out = journal.cursors["out"]
    out.take(journal.next)
    for sequence in range(1, journal.next):
        out.settle(sequence, "delivered", 1)
    await logged(journal)
    return [segment.base for segment in journal.log.segments]


async def logged(journal: Journal) -> None:
    """All that cursors did is on disk."""
    journal.moved()
    await until(lambda: not any(cursor.moved for cursor in journal.cursors.values()))


def apply(journal: Journal, backlog: str, *, in_days: float = 0.0, clock_is_sure: bool = True) -> Cursor:
    """What the writer does now and then, some time from now, for an output with this backlog."""
    journal.cursors["away"].backlog = backlog
    cursors = list(journal.cursors.values())
    bound(journal.log, cursors, now=now_ms() + int(in_days * DAY), clock_is_sure=clock_is_sure)
    return journal.cursors["away"]


@pytest.mark.parametrize(
    ("text", "backlog"), [("30d", Duration("30d")), ("5GB", Size("5GB")), ("all", "all"), ("new", Duration("30d"))]
)
def test_it_is_read_from_the_log_as_from_the_configuration(text: str, backlog: Backlog) -> None:
    assert backlog_of(text) == backlog
    assert type(backlog_of(text)) is type(backlog)


async def test_by_age_it_moves_on_to_what_is_younger(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        bases = await filled(journal)
        assert apply(journal, "30d", in_days=29).next == 1
        away = apply(journal, "30d", in_days=31)
        assert away.next == bases[-1]
        (skipped,) = away.skipped
        assert (skipped.sequence, skipped.until, skipped.count) == (1, bases[-1], bases[-1] - 1)
        assert skipped.reason == "more than its backlog of 30d waited"


async def test_by_size_it_keeps_the_newest(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        bases = await filled(journal)
        away = apply(journal, "60kB")
        held = sum(segment.size for segment in journal.log.segments if segment.base >= away.next)
        more = sum(
            segment.size for segment in journal.log.segments if segment.base >= bases[bases.index(away.next) - 1]
        )
        assert held <= 60_000 < more


async def test_all_is_all(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        await filled(journal)
        assert apply(journal, "all", in_days=3000).next == 1


async def test_a_clock_that_jumped_skips_nothing_but_a_size_holds(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        await filled(journal)
        assert apply(journal, "30d", in_days=31, clock_is_sure=False).next == 1
        assert apply(journal, "60kB", in_days=31, clock_is_sure=False).next > 1


async def test_dead_letters_are_not_part_of_it_but_what_is_under_way_is(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        await filled(journal)
        away = journal.cursors["away"]
        away.take(4)
        away.bury(2, 1, "refused")
        order = Order(away, journal)
        for sequence in (1, 3):
            order.again(sequence)
        apply(journal, "60kB")
        assert [entry.sequence for entry in away.dead_letters()] == [2]
        assert away.open_entries() == []
        assert sum(skipped.count for skipped in away.skipped) == away.next - 1 - 1
        assert order.next(0) == away.next - 1 >= 4, "what was given up is not tried again"


async def test_what_was_skipped_is_known_after_a_crash_and_frees_the_log(tmp_path: Path) -> None:
    async with running(tmp_path / "journal", OUTPUTS, limits=TINY) as journal:
        bases = await filled(journal)
        away = apply(journal, "60kB")
        await logged(journal)
        deleted = retain(journal.log, list(journal.cursors.values()), NOTHING, now=now_ms(), written=now_ms())
        assert deleted == bases.index(away.next)
        image = crash_image(journal, tmp_path / "image")
    async with running(image, OUTPUTS, limits=TINY) as journal:
        assert journal.cursors["away"].skipped == away.skipped
        assert journal.cursors["away"].next == away.next
        assert isinstance(await journal.read(away.next), Record)


async def test_it_is_said_once_for_one_outage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        for _ in range(3):
            await filled(journal)
            apply(journal, "60kB")
        (skipped,) = journal.cursors["away"].skipped
        assert skipped.count == journal.cursors["away"].next - 1
    assert capsys.readouterr().out.count("backlog is more than it may hold back") == 1


async def test_a_removed_output_keeps_its_backlog_and_the_day_of_its_end(tmp_path: Path) -> None:
    async with running(
        tmp_path, OUTPUTS, limits=TINY, keep=Keep(settled=0, dead=1e9, backlog={"away": "1h"})
    ) as journal:
        journal.configure(["out"])
        removed = journal.cursors["away"].removed
        assert removed > 0
        await journal.find("nothing")  # the writer has done what came before
        image = crash_image(journal, tmp_path / "image")
    async with running(image, {"out": "oldest"}, limits=TINY) as journal:
        away = journal.cursors["away"]
        assert (away.backlog, away.removed) == ("1h", removed)
        journal.configure(OUTPUTS)
        assert away.removed == 0


async def test_who_holds_the_log_is_named(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        await store(journal, "a")
        assert journal.holder() is None, "the newest segment is held by nobody"
        await filled(journal)
        held_by = journal.holder()
        assert str(held_by) == "away, 21 events"
        journal.cursors["away"].removed = 1_790_000_000_000
        assert str(holder(journal.log, [*journal.cursors.values()])) == "away (removed 2026-09-21), 21 events"


def test_of_very_many_ranges_no_event_is_uncounted() -> None:
    ranges: list[SkippedEntry] = []
    for n in range(100):
        note_skipped(ranges, Change(1, 10 * n, "skipped", n, 0, f"reason {n}"), 10 * n, 10 * n + 3)
    assert len(ranges) == 16
    assert sum(one.count for one in ranges) == 300
    assert (ranges[0].sequence, ranges[-1].until) == (0, 993)


async def test_a_log_that_is_smaller_than_it_is_kept_whole(tmp_path: Path) -> None:
    async with running(tmp_path, OUTPUTS, limits=TINY) as journal:
        await filled(journal)
        assert apply(journal, "1GB").next == 1
