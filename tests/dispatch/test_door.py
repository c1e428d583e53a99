"""An output is opened, closed and opened again, as its far side comes and goes."""

from __future__ import annotations

import asyncio
import errno
import time
from pathlib import Path

import pytest
import structlog

from bridge import Delivery, Rejected, Retry, Stopped, Unavailable
from bridge.dispatch import lane as lane_module
from bridge.options import Duration
from tests.dispatch.outputs import BOTH, Gate, Make, away
from tests.rooms import Far, async_output, opened, plain_output, until

pytestmark = pytest.mark.anyio


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
    assert rooms.heard.states == [("sink", said) for said in ("open", "waiting", "open", "stopped")]


async def test_a_far_side_that_is_back_and_takes_nothing_is_said_to_be_back(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    far.answer = away

    def reject(_: Delivery) -> None:
        raise Rejected("no")

    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push_some(1)
        await until(lambda: far.calls.count("open") > 3)
        far.answer = reject
        await until(lambda: rooms.report().dead == 1)
    assert rooms.heard.states == [("sink", said) for said in ("open", "waiting", "open", "stopped")]


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


async def test_an_opening_that_came_too_late_is_no_opening(tmp_path: Path, far: Far, impatient: None) -> None:
    """Given a plain `open`, which can't be cancelled: once it is done the output is closed, and opened again."""
    gate = Gate()

    class Slow(async_output("sink", far)):  # type: ignore[misc]
        def open(self) -> None:
            far.note("open")
            gate.wait_blocking(None)

        def close(self) -> None:
            far.note("close")

    async with opened(tmp_path, Slow, timeout=Duration("50ms")) as rooms:
        ids = await rooms.push_some(1)
        await until(lambda: rooms.lane().door.trouble)
        gate.open()
        await until(lambda: far.ids() == ids)
    assert far.calls == ["open", "close"] * (len(far.calls) // 2)
    assert len(far.calls) >= 4
    assert rooms.heard.states[:2] == [("sink", "waiting"), ("sink", "open")]


async def test_a_lane_that_is_cancelled_while_it_opens_ends_as_cancelled(tmp_path: Path, far: Far) -> None:
    """As at the end of a loop that nobody stopped the lanes of."""
    far.opening = lambda: asyncio.sleep(60)
    async with opened(tmp_path, async_output("sink", far)):
        await until(lambda: far.calls)
        (lane,) = (task for task in asyncio.all_tasks() if task.get_name() == "lane sink")
        lane.cancel()
        await asyncio.wait({lane}, timeout=5)
        assert lane.cancelled()


async def test_closing_that_hangs_in_a_thread_does_not_hold_up_the_end(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "GRACE_SECONDS", 0.02)
    gate = Gate()

    class Hanging(async_output("sink", far)):  # type: ignore[misc]
        def close(self) -> None:
            far.note("close")
            gate.wait_blocking(None)

    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, Hanging) as rooms:
            await rooms.dispatcher.settle(5)
            began = time.monotonic()
            await rooms.dispatcher.stop()
            assert time.monotonic() - began < 2
    assert far.calls == ["open", "close"]
    (line,) = [line for line in log if "did not stop in time" in line["event"]]
    assert line["output"] == "sink"
    gate.open()
