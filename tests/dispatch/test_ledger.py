"""What becomes of an event: delivered, tried again, or a dead letter; and what is counted meanwhile."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
import structlog

from bridge import Delivery, Rejected, Retry
from bridge.dispatch import policy
from bridge.options import Duration
from tests.dispatch.outputs import BOTH, Make
from tests.rooms import Far, async_output, opened, until

pytestmark = pytest.mark.anyio


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


async def test_a_reason_that_is_no_text_does_not_stop_the_journal(tmp_path: Path, far: Far, impatient: None) -> None:
    def refuse(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise Retry("\ud800")

    far.answer = refuse
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push_some(2)
        await until(rooms.is_settled)
        assert rooms.journal.closed_because is None


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
