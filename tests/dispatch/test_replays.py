"""A replay's own walk: what it opens again, how fast, and what it waits for."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge import Rejected, Unavailable
from bridge.dispatch import replays as replays_module
from bridge.dispatch.replays import Replays
from bridge.journal.journal import Cursor, JournalUnavailable, Keep
from bridge.journal.log import Lost
from bridge.journal.record import OutputEntry, ReplayEntry
from bridge.journal.replay import Replay
from tests.journal.journals import damage
from tests.rooms import Disk, Far, Rooms, async_output, opened, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk below the journal."""
    return Disk(monkeypatch)


class Room:
    """An output, and the replays of what it got."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.replays = Replays(rooms.journal, rooms.dispatcher)
        self.cursor = rooms.journal.cursors["sink"]

    async def ask(self, *, rate: float = 1000.0, **wish: Any) -> Replay:
        """Have all events delivered again."""
        wish = {"device": "", "kind": "", "since": 0, "before": 0} | wish
        number = self.rooms.journal.places.new_number()
        whole: dict[str, Any] = {"next": 1, "until": self.rooms.journal.next}
        return await self.replays.add(
            ReplayEntry(number=number, output=self.cursor.number, asked=1, rate=rate, **(whole | wish))
        )

    async def fill(self, count: int) -> list[str]:
        ids = await self.rooms.push_some(count)
        await until(lambda: not self.cursor.waiting(self.rooms.journal.next))
        return ids


@asynccontextmanager
async def room(folder: Path, far: Far, **changes: Any) -> AsyncIterator[Room]:
    async with opened(folder, async_output("sink", far), **changes) as rooms:
        made = Room(rooms)
        try:
            yield made
        finally:
            await made.replays.close()


async def test_all_that_was_asked_for_is_delivered_again_in_order_and_then_the_replay_is_forgotten(
    tmp_path: Path, far: Far
) -> None:
    async with room(tmp_path, far) as room_:
        ids = await room_.fill(50)
        replay = await room_.ask(next=11, until=41)
        await until(lambda: far.ids()[50:] == ids[10:40])
        assert [delivery.replayed for delivery in far.taken] == [False] * 50 + [True] * 30
        await until(lambda: not room_.rooms.journal.places.replays)
        assert (replay.opened, replay.over) == (30, True)


async def test_a_long_stretch_that_nobody_asked_for_does_not_hold_the_loop(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays_module, "_STEPS", 2)
    async with room(tmp_path, far) as room_:
        await room_.fill(10)
        replay = await room_.ask(device="nobody")
        seen = set()
        while not replay.over:
            seen.add(replay.next)
            await asyncio.sleep(0)
        assert {3, 5, 7, 9} <= seen


async def test_what_was_not_asked_for_is_passed_by(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        await room_.fill(5)
        replay = await room_.ask(device="nobody")
        await until(lambda: replay.over)
        assert replay.opened == 0


async def test_it_keeps_to_its_rate(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        await room_.fill(11)
        began = time.monotonic()
        replay = await room_.ask(rate=20.0)
        await until(lambda: replay.over)
        assert time.monotonic() - began >= 0.45


async def test_it_never_has_more_than_a_few_events_open_dead_letters_included(tmp_path: Path, far: Far) -> None:
    def reject(_: object) -> None:
        raise Rejected("no")

    def away(_: object) -> None:
        raise Unavailable("down")

    far.answer = reject
    async with room(tmp_path, far) as room_:
        await room_.fill(60)
        assert room_.cursor.dead == 60
        far.answer = away
        reads = 0
        read = room_.rooms.journal.read

        async def counted(sequence: int) -> Any:
            nonlocal reads
            reads += 1
            return await read(sequence)

        replay = await room_.ask()
        await until(lambda: replay.opened == 16)
        assert replay.opened == len(room_.cursor.open_entries()) == 16
        await until(lambda: room_.rooms.report().state == "waiting")
        await room_.rooms.dispatcher.stop()  # what reads now is the replay
        room_.rooms.journal.read = counted  # type: ignore[method-assign]
        await asyncio.sleep(0.5)
        assert (reads, replay.opened, replay.over) == (0, 16, False)


async def test_it_opens_nothing_while_the_output_has_not_caught_up(tmp_path: Path, far: Far) -> None:
    answer = far.answer
    let_go = asyncio.Event()
    async with room(tmp_path, far, in_flight=1) as room_:
        await room_.fill(3)

        async def wait(_: object) -> None:
            await let_go.wait()

        far.answer = wait
        fresh = await room_.rooms.push_some(2)
        replay = await room_.ask(until=4)
        await asyncio.sleep(0.3)
        assert replay.opened == 0
        far.answer = answer
        let_go.set()
        await until(lambda: replay.over)
        await until(lambda: len(far.taken) == 8)
        assert far.ids()[3:5] == fresh


async def test_one_that_ends_while_nothing_can_be_written_keeps_what_it_opened(
    tmp_path: Path, far: Far, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays_module, "_LOG_SECONDS", 0.01)
    async with room(tmp_path, far) as room_:
        await room_.fill(5)
        journal = room_.rooms.journal
        await journal.write_all()
        await room_.rooms.dispatcher.stop()  # what is opened again waits
        replay = await room_.ask(rate=10.0)
        disk.fail()
        await until(lambda: replay.over)
        await journal._in_writer(lambda: journal._writer.close_intake("the disk is full"))
        await asyncio.sleep(0.1)
        assert journal.places.replays == [replay]
        journal.keep = Keep(settled=-1, dead=1e9)
        await journal._in_writer(journal._retain)
        assert journal.log.first == 1
        disk.mend()
        await until(lambda: not journal.places.replays)
        assert [entry.replayed for entry in room_.cursor.open_entries()] == [True] * 5
        assert room_.cursor.low == 1


async def test_one_whose_output_is_gone_ends(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        await room_.fill(30)
        replay = await room_.ask(rate=10.0)
        await until(lambda: replay.opened)
        await room_.rooms.dispatcher.stop()
        await room_.rooms.journal.forget_output("sink")
        await until(lambda: not room_.rooms.journal.places.replays)
        assert replay.opened < 30


async def test_one_that_is_cancelled_opens_nothing_more(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        await room_.fill(30)
        replay = await room_.ask(rate=10.0)
        await until(lambda: replay.opened)
        await room_.replays.cancel_of(room_.cursor)
        opened_ = replay.opened
        await until(lambda: not room_.rooms.journal.places.replays)
        assert replay.opened == opened_ < 30


async def test_one_that_was_interrupted_goes_on(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        ids = await room_.fill(20)
        replay = await room_.ask(rate=20.0)
        await until(lambda: replay.opened >= 3)
    async with room(tmp_path, far) as room_:
        room_.replays.open()
        await until(lambda: not room_.rooms.journal.places.replays)
        await until(lambda: set(far.ids()[20:]) == set(ids))


async def test_what_can_not_be_read_for_a_moment_is_read_then_and_what_is_gone_is_passed_by(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)
    monkeypatch.setattr(replays_module, "_DISK_SECONDS", 0.01)
    async with room(tmp_path, far) as room_:
        ids = await room_.fill(3)
        (segment,) = (tmp_path / "journal").glob("*.seg")
        place = segment.read_bytes().index(ids[1].encode())
        damage(segment, place)
        read, faults = room_.rooms.journal.read, iter([OSError(errno.EMFILE, "Too many open files")])

        async def failing_once(sequence: int) -> Any:
            for fault in faults:
                raise fault
            return await read(sequence)

        monkeypatch.setattr(room_.rooms.journal, "read", failing_once)
        with structlog.testing.capture_logs() as log:
            replay = await room_.ask()
            await until(lambda: far.ids() == [*ids, ids[0], ids[2]])
            await until(lambda: replay.over)
        assert replay.opened == 2
        (line,) = [line for line in log if "can't be read for a replay" in line["event"]]
        assert (line["output"], "Too many open files" in line["error"]) == ("sink", True)
        (line,) = [line for line in log if "passes over" in line["event"]]
        assert (line["output"], line["replay"], line["sequence"], line["count"]) == ("sink", replay.number, 2, 1)


async def test_of_what_was_let_go_nothing_is_said(tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    async with room(tmp_path, far) as room_:
        ids = await room_.fill(3)
        read = room_.rooms.journal.read

        async def thinned(sequence: int) -> Any:
            return Lost(1, 3, let_go=True) if sequence < 3 else await read(sequence)

        monkeypatch.setattr(room_.rooms.journal, "read", thinned)
        with structlog.testing.capture_logs() as log:
            replay = await room_.ask()
            await until(lambda: far.ids() == [*ids, ids[2]])
            await until(lambda: replay.over)
        assert [line["event"] for line in log if "passes over" in line["event"]] == []


async def test_one_that_can_not_be_brought_to_disk_is_refused_and_does_nothing(
    tmp_path: Path, far: Far, disk: Disk
) -> None:
    async with room(tmp_path, far) as room_:
        ids = await room_.fill(2)
        disk.fail()
        with pytest.raises(JournalUnavailable, match="No space left"):
            await room_.ask()
        assert room_.rooms.journal.places.replays == []
        disk.mend()
        await room_.rooms.journal._in_writer(room_.rooms.journal._writer.open_intake)
        ids += await room_.fill(1)
        assert far.ids() == ids


async def test_one_that_is_cancelled_while_it_is_being_brought_to_disk_opens_nothing(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        await room_.fill(3)
        asking = asyncio.create_task(room_.ask())
        await asyncio.sleep(0)
        assert room_.rooms.journal.places.replays
        assert not asking.done()
        await room_.replays.cancel_of(room_.cursor)
        replay = await asking
        assert (replay.opened, replay.over) == (0, True)
        assert len([task for task in asyncio.all_tasks() if task.get_name().startswith("replay ")]) <= 1
        await until(lambda: not room_.rooms.journal.places.replays)
    assert len(far.taken) == 3


async def test_those_of_other_outputs_go_on_when_one_output_is_given_up(tmp_path: Path, far: Far) -> None:
    async with room(tmp_path, far) as room_:
        ids = await room_.fill(2)
        await room_.ask(rate=20.0)
        await room_.replays.cancel_of(Cursor(OutputEntry(number=99, name="other", began=1, next=1)))
        await until(lambda: far.ids() == ids * 2)
