"""Replays in the journal: they survive a crash, keep what they have yet to pass, and lose nothing between the two."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.journal import Journal, Keep
from bridge.journal.record import ReplayEntry
from bridge.journal.replay import Replay
from tests.journal.journals import TINY, contents, crash_image, running, store
from tests.journal.test_retention import NOTHING, take_all

pytestmark = pytest.mark.anyio


async def begin(journal: Journal, *, until: int, device: str = "") -> Replay:
    """Ask for a replay of the output `out`, from the first event on."""
    entry = ReplayEntry(
        number=journal.places.new_number(),
        output=journal.cursors["out"].number,
        asked=1,
        next=1,
        until=until,
        since=0,
        before=0,
        device=device,
        kind="",
        rate=10.0,
    )
    replay = Replay(entry)
    journal.places.replays = [replay]
    await journal.write_state()
    return replay


async def filled(journal: Journal) -> None:
    """Twenty events, all delivered, in many segments."""
    for n in range(20):
        await store(journal, f"m{n}")
    take_all(journal.cursors["out"], up_to=21)
    await journal.write_all()


async def retained(journal: Journal, keep: Keep = NOTHING) -> int:
    """The first sequence that is left after retention ran."""
    journal.keep = keep
    await journal._in_writer(journal._retain)
    return journal.log.first


async def test_what_a_replay_has_yet_to_pass_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal)
        replay = await begin(journal, until=21)
        assert await retained(journal) == 1
        replay.pass_to(11)
        assert await retained(journal) == 1  # only what is on disk counts
        await journal.write_all()
        first = await retained(journal)
        assert 1 < first <= 11
        replay.cancel()
        await journal.write_all()
        assert await retained(journal) > 11


async def test_a_replay_goes_on_after_a_crash_where_the_disk_has_it(tmp_path: Path) -> None:
    async with running(tmp_path / "journal", limits=TINY) as journal:
        await filled(journal)
        replay = await begin(journal, until=21, device="box")
        number = replay.number
        for sequence in (1, 2, 3):
            assert journal.cursors["out"].reopen(sequence, replay=True)
            replay.pass_to(sequence + 1, opened=1)
        journal.cursors["out"].settle(1, "delivered", 1)
        await journal.write_all()
        replay.pass_to(5, opened=1)  # not on disk
        image = crash_image(journal, tmp_path / "crashed")
    async with running(image, limits=TINY) as journal:
        (again,) = journal.places.replays
        assert (again.number, again.next, again.until, again.rate) == (number, 4, 21, 10.0)
        assert again.entry().device == "box"
        assert (again.opened, again.entry().opened) == (3, 3)
        open_ = journal.cursors["out"].open_entries()
        assert [(entry.sequence, entry.replayed) for entry in open_] == [(2, True), (3, True)]
        assert journal.places.new_number() > number
        again.cancel()
        await journal.write_all()
        assert len(await contents(journal)) == 20
    async with running(image, limits=TINY) as journal:
        assert journal.places.replays == []


async def test_what_it_passed_is_on_disk_as_open_before_it_is_on_disk_as_passed(tmp_path: Path) -> None:
    """The writer reads replays first: what it logs as passed, it logs as opened again too, whenever it looks."""
    async with running(tmp_path) as journal:
        await filled(journal)
        replay = await begin(journal, until=21)
        cursor = journal.cursors["out"]

        def while_it_is_read() -> object:
            progress = type(replay).progress(replay)
            cursor.reopen(1, replay=True)
            replay.pass_to(2)
            return progress

        replay.pass_to(1)
        replay._logged_next = 0  # so that it is read
        replay.progress = while_it_is_read  # type: ignore[method-assign, assignment]
        blob = journal.places.moves().blob()
        passed = dict(blob.next)[replay.number]
        assert passed == 1
        assert [change.outcome for change in blob.changes] == ["replay"]
