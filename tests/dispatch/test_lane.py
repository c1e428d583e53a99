"""A lane delivers everything in order, whatever the output does."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge import Delivery, Event, Rejected, Retry, hookimpl
from bridge.dispatch import lane as lane_module
from bridge.dispatch.lane import WINDOW_BYTES
from bridge.event import utc_now
from bridge.journal.journal import Keep
from bridge.journal.thinning import Thinning
from bridge.options import Duration
from bridge.testing import sample_push
from tests.dispatch.outputs import BOTH, Gate, Make, away
from tests.rooms import Far, async_output, opened, plain_output, push_of, until

pytestmark = pytest.mark.anyio


@BOTH
async def test_events_are_delivered_in_the_order_of_the_journal(tmp_path: Path, far: Far, make: Make) -> None:
    async with opened(tmp_path, make("sink", far)) as rooms:
        ids = await rooms.push_some(20)
        await until(rooms.is_settled)
    assert [delivery.event.id for delivery in far.given] == ids
    assert sorted(far.ids()) == sorted(ids)


async def test_what_came_before_a_new_output_is_its_own_only_where_it_begins_with_the_oldest(tmp_path: Path) -> None:
    old, new, newest = Far(), Far(), Far()
    async with opened(tmp_path, async_output("old", old)) as rooms:
        before = await rooms.push_some(2)
        await until(lambda: len(old.taken) == 2)
    async with opened(tmp_path, async_output("oldest", new), from_="oldest") as rooms:
        await until(lambda: len(new.taken) == 2)
    async with opened(tmp_path, async_output("newest", newest)) as rooms:
        after = await rooms.push_some(1)
        await until(lambda: newest.taken)
    assert new.ids() == before
    assert newest.ids() == after


async def test_no_more_events_are_under_way_than_the_window_takes(tmp_path: Path, far: Far) -> None:
    gate = Gate()
    far.answer = gate.wait
    async with opened(tmp_path, async_output("sink", far), in_flight=3) as rooms:
        await rooms.push_some(10)
        await until(lambda: len(far.given) == 3)
        await rooms.push_some(1)
        assert rooms.report().under_way == 3
        assert rooms.report().waiting == 11
        gate.open()
        await until(rooms.is_settled)
    assert len(far.taken) == 11


async def test_no_more_bytes_are_under_way_than_the_window_takes(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "WINDOW_BYTES", 2_000_000)
    gate = Gate()
    far.answer = gate.wait
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        picture = b"\xff\xd8\xff\xe0" + bytes(900_000)
        for _ in range(5):
            await rooms.push(sample_push(picture=picture))
        await until(lambda: len(far.given) == 3)
        await rooms.push()
        assert rooms.report().under_way == 3
        gate.open()
        await until(lambda: len(far.taken) == 6)
    assert WINDOW_BYTES > 10_000_000


async def test_a_plain_output_is_called_in_a_thread_of_its_own_one_at_a_time(tmp_path: Path, far: Far) -> None:
    at_once: list[int] = []
    inside = 0

    def count(_: Delivery) -> None:
        nonlocal inside
        inside += 1
        at_once.append(inside)
        time.sleep(0.002)
        inside -= 1

    far.answer = count
    async with opened(tmp_path, plain_output("sink", far)) as rooms:
        await rooms.push_some(10)
        await until(rooms.is_settled)
    assert at_once == [1] * 10
    assert far.threads == {"MainThread", "output-sink-1"}


async def test_a_plain_output_runs_in_as_many_threads_as_it_wishes(tmp_path: Path, far: Far) -> None:
    gate = Gate()
    far.answer = gate.wait_blocking
    async with opened(tmp_path, plain_output("sink", far), in_flight=3) as rooms:
        await rooms.push_some(5)
        await until(lambda: len(far.given) == 3)
        gate.open()
        await until(rooms.is_settled)


async def test_a_push_that_holds_no_event_is_passed_by(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push(b'{"wsKey": "heartbeat", "msg_id": "1", "message": {}}')
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
    assert far.ids() == ids


async def test_an_old_event_is_marked_as_late(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push(when=utc_now() - timedelta(minutes=6))
        await rooms.push(when=utc_now() - timedelta(minutes=4))
        await until(rooms.is_settled)
    assert [delivery.late for delivery in far.given] == [True, False]


async def test_one_output_that_hangs_delays_no_other(tmp_path: Path, far: Far) -> None:
    gate, other = Gate(), Far()
    far.answer = gate.wait_blocking
    async with opened(tmp_path, plain_output("stuck", far), async_output("quick", other)) as rooms:
        ids = await rooms.push_some(5)
        await until(lambda: other.ids() == ids)
        assert far.taken == []
        gate.open()


@BOTH
async def test_a_question_that_takes_long_holds_up_no_delivery(tmp_path: Path, far: Far, make: Make) -> None:
    gate = Gate()
    asked = threading.Event()

    def look(*_: object) -> str:
        asked.set()
        gate.wait_blocking(None)
        return "there"

    output = make("sink", far)
    output.where = look  # type: ignore[assignment]
    async with opened(tmp_path, output, timeout=Duration("100ms")) as rooms:
        await rooms.push_some(1)
        await until(rooms.is_settled)
        question = asyncio.create_task(rooms.lane().where(far.taken[0], utc_now()))
        await until(asked.is_set)
        ids = await rooms.push_some(3)
        await until(lambda: far.ids()[1:] == ids)
        await asyncio.sleep(0.2)  # longer than a delivery may take
        assert rooms.report().state == "open"
        gate.open()
        assert await question == "there"


# --- Faults and damage


async def test_the_journal_may_fail_to_be_read_for_a_moment(
    tmp_path: Path, far: Far, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        read, faults = rooms.journal.read, iter([OSError(errno.EMFILE, "Too many open files")])

        async def failing_once(sequence: int) -> Any:
            for fault in faults:
                raise fault
            return await read(sequence)

        monkeypatch.setattr(rooms.journal, "read", failing_once)
        monkeypatch.setattr(rooms.journal, "at_hand", lambda sequence: None)
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
        assert rooms.report().dead == 0
    assert far.ids() == ids


async def test_an_output_whose_failures_can_t_be_understood_costs_no_event(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    """Given one that breaks what says which of its failures mean that it is away."""

    async def fail_once(_: Delivery) -> None:
        if len(far.given) == 1:
            far.output.unavailable = OSError  # type: ignore[assignment,misc]
            raise ValueError
        far.output.unavailable = ()  # type: ignore[misc]

    far.answer = fail_once
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(2)
        await until(rooms.is_settled)
        assert far.calls == ["open", "close", "open"]
    assert sorted(far.ids()) == sorted(ids)


async def test_a_fault_of_our_own_closes_the_output_is_shown_and_costs_no_event(
    tmp_path: Path, far: Far, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given one while reading the third event, the two before are awaited, and then all goes on."""
    gate = Gate()
    far.answer = gate.wait
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        read, faults = rooms.journal.read, iter([AttributeError("no such thing")])

        async def failing_once(sequence: int) -> Any:
            if sequence == 3:
                for fault in faults:
                    raise fault
            return await read(sequence)

        monkeypatch.setattr(rooms.journal, "read", failing_once)
        monkeypatch.setattr(rooms.journal, "at_hand", lambda sequence: None)
        ids = await rooms.push_some(4)
        await until(lambda: rooms.report().state == "waiting")
        assert rooms.report().reason == "internal error, see the log: AttributeError: no such thing"
        assert far.calls == ["open"]
        gate.open()
        await until(rooms.is_settled)
    assert [delivery.event.id for delivery in far.given] == ids
    assert sorted(far.ids()) == sorted(ids)
    assert far.calls == ["open", "close", "open", "close"]


async def test_a_fault_of_our_own_after_a_delivery_costs_no_event(
    tmp_path: Path, far: Far, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        settle, faults = rooms.lane().cursor.settle, iter([ValueError("no such event")])

        def failing_once(*arguments: Any) -> None:
            for fault in faults:
                raise fault
            settle(*arguments)

        monkeypatch.setattr(rooms.lane().cursor, "settle", failing_once)
        (event,) = await rooms.push_some(1)
        await until(rooms.is_settled)
    assert far.ids() == [event, event]
    assert rooms.heard.states[:3] == [("sink", "open"), ("sink", "waiting"), ("sink", "open")]


@pytest.mark.parametrize("pattern", [b"", b'"msg_id"'], ids=["its beginning", "its middle"])
async def test_a_damaged_record_is_a_dead_letter_and_its_neighbours_are_delivered(
    tmp_path: Path, far: Far, pattern: bytes, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)  # what was just written is read from disk
    far.opening = away
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(3)
        (segment,) = (tmp_path / "journal").glob("*.seg")
        data = bytearray(segment.read_bytes())
        place = data.index(pattern, data.index(ids[1].encode()))
        data[place : place + 8] = bytes(8)
        segment.write_bytes(data)
        far.opening = lambda: None
        await until(rooms.is_settled)
        (letter,) = rooms.lane().cursor.dead_letters()
        assert letter.reason == "its record in the journal is damaged or missing"
    assert far.ids() == [ids[0], ids[2]]


async def test_an_event_that_can_not_be_understood_is_a_dead_letter(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a sound record whose document is of no version that we know."""
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)  # what was just written is read from disk
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.stop()
        with monkeypatch.context() as strange:
            strange.setattr("bridge.journal.blob.encode_document", lambda _: b'{"specversion": 2}')
            await rooms.push()
        ids = await rooms.push_some(1)
        await rooms.dispatcher.apply(rooms.settings)
        await until(rooms.is_settled)
        (letter,) = rooms.lane().cursor.dead_letters()
        assert (letter.sequence, letter.attempts) == (1, 0)
        assert letter.reason.startswith("its record can't be read: ")
    assert far.ids() == ids


async def test_what_was_let_go_is_passed_by_and_no_dead_letter(tmp_path: Path, far: Far) -> None:
    def answer(delivery: Delivery) -> None:
        if delivery.event.id == rooms.heard.ids()[1]:
            raise Rejected("never")

    far.answer = answer
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(3)
        await until(rooms.is_settled)
    new = Far()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        cursors = list(rooms.journal.cursors.values())
        assert Thinning(rooms.journal.log, cursors, Keep(settled=0, dead=1e9)).thin(2**60, 0) == 1
    async with opened(tmp_path, async_output("sink", far), async_output("new", new), from_="oldest") as rooms:
        ids += await rooms.push_some(1)
        await until(lambda: len(new.taken) == 2 and rooms.is_settled("new"))
        assert rooms.report("new").dead == 0
    assert new.ids() == [ids[1], ids[3]]


# --- Stop and restart


@BOTH
async def test_what_was_under_way_at_the_end_is_delivered_after_a_restart_with_the_same_id(
    tmp_path: Path, far: Far, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "GRACE_SECONDS", 0.05)
    gate = Gate()
    far.answer = gate.wait if make is async_output else gate.wait_blocking
    async with opened(tmp_path, make("sink", far), in_flight=2) as rooms:
        ids = await rooms.push_some(3)
        await until(lambda: len(far.given) == 2)
    again = Far()
    async with opened(tmp_path, make("sink", again), in_flight=2) as rooms:
        await until(rooms.is_settled)
    gate.open()
    assert sorted(again.ids()) == sorted(ids)
    documents = [{delivery.document for delivery in side.given[:2]} for side in (far, again)]
    assert documents[0] == documents[1]


async def test_what_is_under_way_at_the_end_gets_a_moment(tmp_path: Path, far: Far) -> None:
    gate = Gate()
    far.answer = gate.wait
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(1)
        await until(lambda: far.given)
        stopping = asyncio.create_task(rooms.dispatcher.stop())
        await until(lambda: len(far.calls) == 1 and not stopping.done())
        gate.open()
        await stopping
    assert far.ids() == ids
    again = Far()
    async with opened(tmp_path, async_output("sink", again)) as rooms:
        await until(lambda: rooms.report().state == "open")
        assert rooms.is_settled()
    assert again.given == []


async def test_attempts_and_dead_letters_survive_a_restart(tmp_path: Path, far: Far, impatient: None) -> None:
    def answer(delivery: Delivery) -> None:
        if delivery.event.id == rooms.heard.ids()[0]:
            raise Retry("not now")
        raise Rejected("never")

    far.answer = answer
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(2)
        await until(lambda: len(far.given) > 4)
    again = Far()
    async with opened(tmp_path, async_output("sink", again)) as rooms:
        await until(lambda: again.taken)
        assert rooms.report().dead == 1
    assert again.ids() == [ids[0]]
    assert again.given[0].attempt == far.given[-1].attempt + 1


async def test_an_event_is_said_to_be_accepted_before_any_output_is_given_it(tmp_path: Path, far: Far) -> None:
    seen: list[tuple[str, str]] = []

    class Listening:
        @hookimpl
        def event_accepted(self, event: Event) -> None:
            seen.append(("accepted", event.id))

        @hookimpl
        def event_delivered(self, output: str, delivery: Delivery) -> None:
            seen.append(("delivered", delivery.event.id))

    far.answer = lambda delivery: seen.append(("given", delivery.event.id))
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        rooms.plugins.register(Listening(), "listening")

        async def box(number: int) -> None:
            for _ in range(30):
                await rooms.intake.take(push_of(sample_push(device=f"box {number}", small=True)))

        await asyncio.gather(*map(box, range(10)))
        await until(lambda: len(seen) == 900)
    place = {what: n for n, what in enumerate(seen)}
    for event_id in {event_id for _, event_id in seen}:
        steps = [place[step, event_id] for step in ("accepted", "given", "delivered")]
        assert steps == sorted(steps)
