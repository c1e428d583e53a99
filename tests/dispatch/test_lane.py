"""A lane delivers everything in order, whatever the output does."""

from __future__ import annotations

import asyncio
import errno
import itertools
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge import Delivery, Output, Rejected, Retry, Stopped, Unavailable
from bridge.dispatch import lane as lane_module
from bridge.dispatch import policy
from bridge.dispatch.lane import WINDOW_BYTES
from bridge.dispatch.order import Order
from bridge.event import utc_now
from bridge.journal.journal import Keep
from bridge.journal.thinning import Thinning
from bridge.options import Duration
from bridge.output import OutputContext
from bridge.testing import sample_push
from tests.journal.journals import running, store
from tests.rooms import Far, Rooms, async_output, opened, plain_output, until

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("make", [async_output, plain_output], ids=["async", "plain"])
Make = Callable[[str, Far], type[Output]]


class Gate:
    """Something that deliveries of both kinds wait at."""

    def __init__(self) -> None:
        self._open = threading.Event()

    async def wait(self, _: Delivery) -> None:
        while not self._open.is_set():  # noqa: ASYNC110 - set by either kind
            await asyncio.sleep(0.001)

    def wait_blocking(self, _: object) -> None:
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()


def away(*_: object) -> None:
    raise Unavailable("down")


# --- Order and windows


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


# --- Outcomes


@BOTH
async def test_while_the_far_side_is_away_everything_waits_and_nothing_is_counted(
    tmp_path: Path, far: Far, make: Make, impatient: None
) -> None:
    far.answer = away
    async with opened(tmp_path, make("sink", far)) as rooms:
        ids = await rooms.push_some(5)
        await until(lambda: far.calls.count("open") > 5)
        await until(lambda: rooms.report().state == "waiting")
        assert rooms.report().waiting == 5
        assert rooms.report().reason == "down"
        assert [entry.failing_since for entry in rooms.lane().cursor.open_entries() if entry.failing_since] == []
        far.answer = lambda _: None
        await until(rooms.is_settled)
        assert rooms.report().dead == 0
        assert rooms.heard.dead == []
    assert sorted(far.ids()) == sorted(ids)
    assert set(rooms.heard.states) == {("sink", "open"), ("sink", "waiting"), ("sink", "stopped")}


async def test_while_it_is_not_known_whether_the_far_side_is_back_one_event_at_a_time_is_tried(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    far.opening = away
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push_some(5)
        gate = Gate()
        far.answer = gate.wait
        far.opening = lambda: None
        await until(lambda: far.given)
        await rooms.push()
        assert len(far.given) == 1
        gate.open()
        await until(rooms.is_settled)


async def test_the_far_side_may_ask_for_patience(tmp_path: Path, far: Far, impatient: None) -> None:
    def busy(_: Delivery) -> None:
        raise Unavailable("busy", after=100)

    far.answer = busy
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push()
        await until(lambda: rooms.report().retry_in)
        assert rooms.report().retry_in == pytest.approx(100, abs=5)


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


@BOTH
async def test_an_event_that_failed_is_tried_again_while_others_go_on(
    tmp_path: Path, far: Far, make: Make, impatient: None
) -> None:
    tried: list[float] = []

    def fail_first(delivery: Delivery) -> None:
        if delivery.event.id == rooms.heard.ids()[0]:
            tried.append(time.monotonic())
            if len(tried) < 3:
                raise Retry("not now")

    far.answer = fail_first
    async with opened(tmp_path, make("sink", far)) as rooms:
        ids = await rooms.push_some(5)
        await until(rooms.is_settled)
        assert far.calls == ["open"]
    assert sorted(far.ids()) == sorted(ids)
    assert [delivery.attempt for delivery in far.given if delivery.event.id == ids[0]] == [1, 2, 3]
    assert min(later - earlier for earlier, later in itertools.pairwise(tried)) >= policy.EVENT_CAP / 2


async def test_any_other_exception_is_a_retry_with_its_traceback_in_the_log(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def fault(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise KeyError("a bug")

    far.answer = fault
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, async_output("sink", far)) as rooms:
            await rooms.push()
            await until(rooms.is_settled)
    assert [line["exc_info"].args for line in log if line["event"] == "output failed"] == [("a bug",)]
    assert far.given[-1].attempt == 2


async def test_an_event_that_fails_for_longer_than_retry_for_is_a_dead_letter(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def fail_first(delivery: Delivery) -> None:
        if delivery.event.id == rooms.heard.ids()[0]:
            raise Retry("no such gate")

    far.answer = fail_first
    async with opened(tmp_path, async_output("sink", far), retry_for=Duration("50ms")) as rooms:
        ids = await rooms.push_some(3)
        await until(lambda: rooms.heard.dead)
        await until(rooms.is_settled)
        assert rooms.report().dead == 1
        assert rooms.heard.dead == [("sink", ids[0], "tried for 50ms: no such gate")]
        (letter,) = rooms.lane().cursor.dead_letters()
        assert letter.attempts == far.given[-1].attempt > 2
    assert far.ids() == ids[1:]


async def test_the_same_failure_of_three_events_in_a_row_means_that_the_output_is_away(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def fail(_: Delivery) -> None:
        raise Retry("HTTP 500")

    far.answer = fail
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push_some(2)
        await until(lambda: len(far.given) > 6)
        assert rooms.report().state == "open"
        ids = await rooms.push_some(1)
        await until(lambda: rooms.report().state == "waiting")
        assert rooms.report().reason == "HTTP 500"
        far.answer = lambda _: None
        await until(rooms.is_settled)
        assert rooms.report().dead == 0
    assert ids[0] in far.ids()


async def test_an_event_that_was_settled_elsewhere_is_tried_no_more(tmp_path: Path, far: Far, impatient: None) -> None:
    """Given an event that fails, and a thread of a lane that was left behind which delivers it after all."""

    def fail(_: Delivery) -> None:
        raise Retry("no")

    far.answer = fail
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push()
        await until(lambda: len(far.given) > 2)
        lane = rooms.lane()
        lane.cursor.settle(1, "delivered", 1)
        await until(lambda: not lane.ledger._attempts and lane.retry_in(1) is None)
        tried = len(far.given)
        far.answer = lambda _: None
        ids = await rooms.push_some(1)
        await until(lambda: far.ids() == ids)
        assert len(far.given) == tried + 1


async def test_a_rejected_event_is_a_dead_letter_at_once(tmp_path: Path, far: Far) -> None:
    def reject_first(delivery: Delivery) -> None:
        if delivery.event.id == rooms.heard.ids()[0]:
            raise Rejected("too large")

    far.answer = reject_first
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(3)
        await until(rooms.is_settled)
        assert rooms.heard.dead == [("sink", ids[0], "too large")]
        assert rooms.report().dead == 1
    assert [delivery.attempt for delivery in far.given] == [1, 1, 1]
    assert far.ids() == ids[1:]


@BOTH
async def test_an_output_that_is_stopped_pauses_and_a_reload_starts_it_again(
    tmp_path: Path, far: Far, make: Make
) -> None:
    def gone(_: Delivery) -> None:
        raise Stopped("HTTP 410 Gone")

    far.answer = gone
    async with opened(tmp_path, make("sink", far)) as rooms:
        ids = await rooms.push_some(3)
        await until(lambda: far.calls == ["open", "close"])
        assert rooms.report().state == "paused"
        assert rooms.report().reason == "HTTP 410 Gone"
        assert (rooms.report().waiting, rooms.report().dead) == (3, 0)
        far.answer = lambda _: None
        await rooms.dispatcher.apply(rooms.settings)
        await until(rooms.is_settled)
    assert sorted(far.ids()) == sorted(ids)
    assert far.calls == ["open", "close", "open", "close"]


# --- Timeouts, exits, faults


async def test_a_coroutine_that_does_not_answer_in_time_is_cancelled_and_the_output_counts_as_away(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    cancelled = []

    async def hang_once(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.append(delivery.event.id)

    far.answer = hang_once
    async with opened(tmp_path, async_output("sink", far), timeout=Duration("50ms")) as rooms:
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
    assert cancelled == far.ids() == ids
    assert ("sink", "waiting") in rooms.heard.states
    assert far.calls == ["open", "close", "open", "close"]


async def test_a_thread_that_does_not_answer_in_time_keeps_its_place_and_its_late_success_counts(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    gate = Gate()
    far.answer = gate.wait_blocking
    async with opened(tmp_path, plain_output("sink", far), timeout=Duration("50ms")) as rooms:
        ids = await rooms.push_some(2)
        await until(lambda: rooms.report().state == "waiting")
        assert rooms.report().reason == "no answer within 50ms"
        assert rooms.report().under_way == 1
        assert far.calls == ["open"]
        gate.open()
        await until(rooms.is_settled)
    assert [delivery.event.id for delivery in far.given] == far.ids() == ids
    assert far.calls == ["open", "close", "open", "close"]


async def test_a_thread_that_hangs_for_good_does_not_hold_up_the_end(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "GRACE_SECONDS", 0.05)
    gate = Gate()
    far.answer = gate.wait_blocking
    async with opened(tmp_path, plain_output("sink", far), timeout=Duration("20ms")) as rooms:
        await rooms.push()
        await until(lambda: rooms.report().state == "waiting")
        began = time.monotonic()
        await rooms.dispatcher.stop()
        assert time.monotonic() - began < 2
        assert far.calls == ["open", "close"]
    gate.open()


@BOTH
@pytest.mark.parametrize("raised", [KeyboardInterrupt, GeneratorExit, BaseException])
async def test_what_would_end_more_than_a_delivery_is_a_retry_of_its_event(
    tmp_path: Path, far: Far, make: Make, raised: type[BaseException], impatient: None
) -> None:
    def leave(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise raised

    far.answer = leave
    async with opened(tmp_path, make("sink", far)) as rooms:
        ids = await rooms.push_some(2)
        await until(rooms.is_settled)
    assert sorted(far.ids()) == sorted(ids)


async def test_a_reason_that_is_no_text_does_not_stop_the_journal(tmp_path: Path, far: Far, impatient: None) -> None:
    def refuse(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise Retry("\ud800")

    far.answer = refuse
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push_some(2)
        await until(rooms.is_settled)
        assert rooms.journal.closed_because is None


@BOTH
async def test_sys_exit_in_a_delivery_harms_only_that_event(
    tmp_path: Path, far: Far, make: Make, impatient: None
) -> None:
    def leave(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            sys.exit("enough")

    other = Far()
    far.answer = leave
    async with opened(tmp_path, make("sink", far), async_output("other", other)) as rooms:
        ids = await rooms.push_some(2)
        await until(rooms.is_settled)
        await until(lambda: rooms.is_settled("other"))
    assert sorted(far.ids()) == sorted(ids)
    assert other.ids() == ids


async def test_something_cancelled_inside_an_output_is_a_retry_and_no_hot_loop(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    async def on_something_gone(delivery: Delivery) -> None:
        if delivery.attempt <= 3:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    far.answer = on_something_gone
    began = time.monotonic()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push()
        await until(rooms.is_settled)
    assert time.monotonic() - began >= 3 * policy.EVENT_CAP / 2


async def test_an_output_that_holds_the_loop_is_named_in_the_log(tmp_path: Path, far: Far) -> None:
    def hold(_: Delivery) -> None:
        time.sleep(0.15)

    far.answer = hold
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, async_output("sink", far)) as rooms:
            await rooms.push()
            await until(rooms.is_settled)
    (line,) = [line for line in log if "held the event loop" in line["event"]]
    assert line["output"] == "sink"
    assert line["seconds"] >= 0.15


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
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
        assert rooms.report().dead == 0
    assert far.ids() == ids


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


async def test_of_events_that_are_done_nothing_stays_in_memory(tmp_path: Path, far: Far, impatient: None) -> None:
    def answer(delivery: Delivery) -> None:
        if delivery.event.msg_id == "bad":
            raise Rejected("no")
        if delivery.attempt < 3:
            raise Retry("later")

    far.answer = answer
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        for msg_id in ("good", "bad", "better"):
            await rooms.push(msg_id=msg_id)
        await until(rooms.is_settled)
        ledger = rooms.lane().ledger
        assert (ledger._attempts, ledger._retries, ledger._failing) == ({}, {}, set())


# --- Opening and closing


@pytest.mark.parametrize(
    "error", [Unavailable("away"), ConnectionRefusedError(errno.ECONNREFUSED, "refused"), ValueError("a bug"),
              Retry("later"), SystemExit("enough")], ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_an_output_that_fails_to_open_is_tried_again(
    tmp_path: Path, far: Far, error: BaseException, impatient: None
) -> None:
    def fail() -> None:
        if len(far.calls) < 3:
            raise error

    far.opening = fail
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
    assert far.ids() == ids
    assert far.calls == ["open", "open", "open", "close"]
    assert rooms.heard.states[0] == ("sink", "waiting")


@pytest.mark.parametrize("error", [Stopped("no right"), Rejected("no such topic")], ids=["Stopped", "Rejected"])
async def test_an_output_that_refuses_to_open_is_paused(tmp_path: Path, far: Far, error: Exception) -> None:
    def refuse() -> None:
        raise error

    far.opening = refuse
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push()
        await until(lambda: rooms.report().state == "paused")
        assert rooms.report().reason == str(error)
        assert rooms.report().waiting == 1
    assert far.calls == ["open"]


async def test_opening_that_takes_too_long_is_tried_again(tmp_path: Path, far: Far, impatient: None) -> None:
    def hang_once() -> object:
        return asyncio.sleep(60) if len(far.calls) == 1 else None

    far.opening = hang_once
    async with opened(tmp_path, async_output("sink", far), timeout=Duration("50ms")) as rooms:
        await rooms.push()
        await until(rooms.is_settled)
    assert rooms.heard.states[0] == ("sink", "waiting")


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_opening_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, far: Far, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()

    class Hanging(async_output("sink", far)):  # type: ignore[misc]
        async def open(self) -> None:
            far.note("open")
            await asyncio.sleep(60)

    class HangingPlainly(async_output("sink", far)):  # type: ignore[misc]
        def open(self) -> None:
            far.note("open")
            gate.wait_blocking(None)

    async with opened(tmp_path, HangingPlainly if plain else Hanging) as rooms:
        await until(lambda: far.calls)
        began = time.monotonic()
        await rooms.dispatcher.stop()
        assert time.monotonic() - began < 3
        assert far.calls == ["open"]
        assert rooms.heard.states == [("sink", "stopped")]
    gate.open()


async def test_what_was_found_at_the_far_side_is_shown(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await until(lambda: rooms.report().state == "open")
        assert rooms.report().reason == "found"


async def test_a_fault_in_close_is_no_trouble(tmp_path: Path, far: Far, impatient: None) -> None:
    class Rude(async_output("sink", far)):  # type: ignore[misc]
        async def close(self) -> None:
            far.note("close")
            raise ValueError("a bug")

    async with opened(tmp_path, Rude) as rooms:
        far.answer = lambda delivery: away() if delivery.attempt == 1 else None
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
    assert far.ids() == ids
    assert far.calls == ["open", "close", "open", "close"]


async def test_plain_open_and_close_run_in_the_outputs_thread(tmp_path: Path, far: Far) -> None:
    class Plain(plain_output("sink", far)):  # type: ignore[misc]
        def open(self) -> str:
            far.note("open")
            return "found"

        def close(self) -> None:
            far.note("close")

    async with opened(tmp_path, Plain) as rooms:
        await rooms.push()
        await until(rooms.is_settled)
        assert rooms.report().reason == "found"
    assert far.calls == ["open", "close"]
    assert far.threads == {"output-sink-1"}


async def test_an_output_is_closed_only_when_nothing_is_under_way(tmp_path: Path, far: Far, impatient: None) -> None:
    async def answer(delivery: Delivery) -> None:
        far.note("begin")
        await asyncio.sleep(0.001 * (delivery.event.msg_id.endswith(("0", "2", "4")) + 1))
        far.note("end")
        if delivery.attempt == 1:
            raise Unavailable("down")

    far.answer = answer
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        for number in range(10):
            await rooms.push(msg_id=f"m-{number}")
        await until(rooms.is_settled)
    under_way = is_open = 0
    for call in far.calls:
        under_way += {"begin": 1, "end": -1}.get(call, 0)
        is_open += {"open": 1, "close": -1}.get(call, 0)
        assert is_open in (0, 1)
        assert call not in ("open", "close") or under_way == 0
        assert call != "begin" or is_open


@pytest.mark.parametrize("from_thread", [False, True], ids=["on the loop", "from a thread"])
async def test_an_output_that_lost_the_far_side_between_deliveries_is_opened_again(
    tmp_path: Path, far: Far, from_thread: bool, impatient: None
) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await until(lambda: rooms.report().state == "open")
        if from_thread:
            await asyncio.to_thread(far.output.lost, ConnectionResetError("reset"))
        else:
            far.output.lost(ConnectionResetError("reset"))
        await until(lambda: far.calls == ["open", "close", "open"])
        ids = await rooms.push_some(1)
        await until(lambda: far.ids() == ids)
    far.output.lost(ConnectionResetError("too late to matter"))
    assert rooms.heard.states[:3] == [("sink", "open"), ("sink", "waiting"), ("sink", "open")]


async def test_an_output_that_lost_the_far_side_for_good_is_paused(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await until(lambda: rooms.report().state == "open")
        far.output.lost(Stopped("taken over by another"))
        await until(lambda: rooms.report().state == "paused")


async def test_an_output_whose_constructor_fails_is_paused_and_the_others_go_on(tmp_path: Path, far: Far) -> None:
    class Unmade(async_output("unmade", Far())):  # type: ignore[misc]
        def __init__(self, context: OutputContext) -> None:
            super().__init__(context)
            raise KeyError("a bug")

    async with opened(tmp_path, Unmade, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(1)
        await until(lambda: far.ids() == ids)
        await until(lambda: rooms.report("unmade").state == "paused")
        assert rooms.report("unmade").reason == "it could not be made: KeyError: 'a bug'"
        assert rooms.report("unmade").waiting == 1


# --- Poison and damage


class Poison:
    """A far side that falls each time it is given certain events, and then takes nothing until it is opened again."""

    def __init__(self, far: Far, rooms: Callable[[], Rooms], *places: int) -> None:
        self._far, self._rooms, self._places = far, rooms, places
        self._up = True
        far.opening, far.answer = self._open, self._take

    def _open(self) -> None:
        self._up = True

    async def _take(self, delivery: Delivery) -> None:
        if not self._up:
            raise Unavailable("down")
        ids = self._rooms().heard.ids()
        if ids.index(delivery.event.id) in self._places:
            self._up = False
            raise Unavailable("fell")
        await asyncio.sleep(0)
        if not self._up:
            raise Unavailable("down")


@pytest.mark.parametrize("places", [(0,), (3,), (3, 4), (0, 1, 2, 3), (9,)], ids=str)
async def test_events_that_make_the_far_side_fall_do_not_hold_the_others_and_end_as_dead_letters(
    tmp_path: Path, far: Far, places: tuple[int, ...], impatient: None
) -> None:
    Poison(far, lambda: rooms, *places)
    async with opened(tmp_path, async_output("sink", far), retry_for=Duration("300ms")) as rooms:
        ids = await rooms.push_some(10)
        healthy = [event for place, event in enumerate(ids) if place not in places]
        await until(lambda: set(far.ids()) == set(healthy))
        while rooms.report().dead < len(places):  # what follows is what shows that it is not an outage
            await rooms.push_some(1)
            await asyncio.sleep(0.01)
        assert {event for _, event, _ in rooms.heard.dead} == {ids[place] for place in places}
        assert "the far side fell each time it was given this event" in rooms.heard.dead[0][2]
        await until(rooms.is_settled)
    assert len(far.ids()) == len(set(far.ids())) == len(rooms.heard.ids()) - len(places)


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


async def test_what_an_output_may_not_hold_back_is_not_delivered_when_it_comes_back(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def answer(_: Delivery) -> None:
        raise Unavailable("away")

    far.answer = answer
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(4)
        await until(lambda: len(far.given) > 3)
        assert rooms.lane().cursor.skip_to(4, "more than its backlog") == 3
        far.answer = lambda _: None
        await until(rooms.is_settled)
        assert rooms.report().dead == 0
    assert far.ids()[-1] == ids[3]
    assert set(far.ids()) <= {ids[0], ids[3]}, "what was under way when it was given up may be delivered"


async def test_what_is_given_up_takes_nothing_else_with_it(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(4):
            await store(journal, f"m{n}")
        order = Order(journal.cursors["out"], journal)
        for sequence in [order.next(0) for _ in range(4)]:
            assert sequence is not None
            order.again(sequence)
        journal.cursors["out"].skip_to(3, "more than its backlog")
        assert [order.next(0) for _ in range(3)] == [3, 4, None]


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


# --- What a person asked for anew


async def push_and_see(rooms: Rooms, far: Far) -> None:
    """Push an event that must get out soon, whatever else there is."""
    (fresh,) = await rooms.push_some(1)
    await until(lambda: fresh in far.ids(), within=5)


async def test_what_is_asked_for_anew_never_holds_up_what_has_just_come_even_after_a_restart(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given many dead letters that are tried again and fail again: what comes meanwhile is delivered at once."""
    monkeypatch.setattr(policy, "EVENT_CAP", 1.0)
    bad: set[str] = set()

    def reject(_: Delivery) -> None:
        raise Rejected("unknown plate")

    def fail_the_bad(delivery: Delivery) -> None:
        if delivery.event.id in bad:
            raise Retry("HTTP 500")

    far.answer = reject
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        bad.update(await rooms.push_some(40))
        cursor = rooms.lane().cursor
        await until(lambda: cursor.dead == 40)
        far.answer = fail_the_bad
        for letter in cursor.dead_letters():
            assert rooms.dispatcher.again("sink", letter.sequence)
        for _ in range(5):
            await push_and_see(rooms, far)
        await until(lambda: {delivery.event.id for delivery in far.given[40:]} >= bad)
        assert ("sink", "waiting") not in rooms.heard.states
    far.given.clear()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        for _ in range(5):
            await push_and_see(rooms, far)
        assert ("sink", "waiting") not in rooms.heard.states


async def test_what_is_asked_for_anew_comes_after_what_waits_and_in_its_order(tmp_path: Path, far: Far) -> None:
    gate = Gate()
    async with opened(tmp_path, async_output("sink", far), in_flight=1) as rooms:
        old = await rooms.push_some(5)
        await until(rooms.is_settled)
        far.answer = gate.wait
        ids = await rooms.push_some(1)
        await until(lambda: rooms.report().under_way)
        for sequence in (3, 1, 2):
            assert rooms.dispatcher.again("sink", sequence, replay=True)
        ids += await rooms.push_some(3)
        gate.open()
        await until(rooms.is_settled)
    assert far.ids() == [*old, *ids, *old[:3]]
    assert [delivery.replayed for delivery in far.given] == [False] * 9 + [True] * 3


@pytest.mark.parametrize("place", [0, 2])
async def test_a_replayed_event_that_makes_the_far_side_fall_holds_neither_others_nor_what_comes(
    tmp_path: Path, far: Far, place: int, impatient: None
) -> None:
    async with opened(tmp_path, async_output("sink", far), retry_for=Duration("300ms")) as rooms:
        old = await rooms.push_some(5)
        await until(rooms.is_settled)
        Poison(far, lambda: rooms, place)
        for sequence in range(1, 6):
            assert rooms.dispatcher.again("sink", sequence, replay=True)
        healthy = {*old} - {old[place]}
        await until(lambda: set(far.ids()[5:]) >= healthy)
        while not rooms.report().dead:
            await push_and_see(rooms, far)
        assert [event for _, event, _ in rooms.heard.dead] == [old[place]]
        await until(rooms.is_settled)
