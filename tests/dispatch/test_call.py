"""An output's methods are called on the loop or in threads, and what they do there harms nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge import Delivery, stopwatch
from bridge.dispatch import call as call_module
from bridge.dispatch import lane as lane_module
from bridge.dispatch import policy
from bridge.dispatch.call import Caller, NoAnswer, is_plain
from bridge.options import Duration
from bridge.stopwatch import HELD_SECONDS
from tests.dispatch.outputs import BOTH, Gate, Make
from tests.rooms import Far, async_output, opened, plain_output, until

pytestmark = pytest.mark.anyio


class Held:
    """Notes how long the loop was held, and how often a thread was overdue."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.overdue = 0

    def note_overdue(self) -> None:
        self.overdue += 1


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def caller(held: Held) -> Iterator[Caller]:
    caller = Caller("sink", 2, held.seconds.append)
    yield caller
    caller.close()


async def call(caller: Caller, function: Any, held: Held, seconds: float = 5) -> Any:
    return await caller.call(function, seconds, held.note_overdue, plain=is_plain(function))


async def test_a_coroutine_runs_on_the_loop_and_a_plain_function_in_a_thread(caller: Caller, held: Held) -> None:
    async def on_loop() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await call(caller, on_loop, held) == "MainThread"
    assert str(await call(caller, lambda: threading.current_thread().name, held)).startswith("output-sink")


async def test_an_exception_comes_through_from_both(caller: Caller, held: Held) -> None:
    async def on_loop() -> None:
        await asyncio.sleep(0)
        raise KeyError("async")

    def in_thread() -> None:
        raise KeyError("plain")

    with pytest.raises(KeyError, match="async"):
        await call(caller, on_loop, held)
    with pytest.raises(KeyError, match="plain"):
        await call(caller, in_thread, held)


async def test_a_coroutine_that_takes_too_long_is_cancelled(caller: Caller, held: Held) -> None:
    cleaned = []

    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append("up")

    with pytest.raises(NoAnswer, match=r"^no answer within 0\.02 s$"):
        await call(caller, hangs, held, 0.02)
    assert cleaned == ["up"]


async def test_a_coroutine_that_turns_its_cancellation_into_an_error_did_not_answer_either(
    caller: Caller, held: Held
) -> None:
    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("interrupted") from None

    with pytest.raises(NoAnswer):
        await call(caller, hangs, held, 0.02)


async def test_a_timeout_of_the_outputs_own_is_not_ours(caller: Caller, held: Held) -> None:
    async def impatient() -> None:
        await asyncio.wait_for(asyncio.sleep(60), 0.01)

    with pytest.raises(TimeoutError) as raised:
        await call(caller, impatient, held)
    assert not isinstance(raised.value, NoAnswer)


async def test_a_thread_that_takes_too_long_is_reported_and_awaited_all_the_same(caller: Caller, held: Held) -> None:
    release = threading.Event()

    def slow() -> str:
        assert release.wait(10)
        return "late"

    calling = asyncio.create_task(call(caller, slow, held, 0.02))
    await until(lambda: held.overdue)
    assert not calling.done()
    release.set()
    assert await calling == "late"
    assert held.overdue == 1


async def test_sys_exit_is_an_error_of_the_call(caller: Caller, held: Held) -> None:
    async def on_loop() -> None:
        await asyncio.sleep(0)
        sys.exit("enough")

    def at_once() -> None:
        sys.exit("enough")

    for function in (on_loop, at_once):
        with pytest.raises(RuntimeError, match=r"sys\.exit"):
            await call(caller, function, held)
    with pytest.raises(RuntimeError, match=r"sys\.exit"):
        await caller.call(at_once, 5, held.note_overdue, plain=False)


async def test_a_stop_iteration_in_a_thread_is_an_error_of_the_call(caller: Caller, held: Held) -> None:
    nothing: Iterator[object] = iter(())
    with pytest.raises(RuntimeError, match="StopIteration"):
        await call(caller, lambda: next(nothing), held)


async def test_a_cancelled_thing_that_an_output_waits_for_does_not_look_like_a_wish_of_ours(
    caller: Caller, held: Held
) -> None:
    async def on_loop() -> None:
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    with pytest.raises(RuntimeError, match="was cancelled"):
        await call(caller, on_loop, held)


async def test_a_call_that_is_cancelled_ends_as_cancelled(caller: Caller, held: Held) -> None:
    async def hangs() -> None:
        await asyncio.sleep(60)

    calling = asyncio.create_task(call(caller, hangs, held))
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cancelled and goes on is cut off soon."""
    monkeypatch.setattr(call_module, "CLEANUP_SECONDS", 0.05)


async def goes_on(told: list[str]) -> None:
    """Wait for ever, whoever cancels."""
    try:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append("cancelled")
    finally:
        told.append("cut off")


async def test_a_coroutine_that_goes_on_when_it_is_cancelled_is_cut_off(
    caller: Caller, held: Held, no_patience: None
) -> None:
    told: list[str] = []
    with pytest.raises(NoAnswer):
        await asyncio.wait_for(call(caller, lambda: goes_on(told), held, 0.02), 10)
    calling = asyncio.create_task(caller.call(lambda: goes_on(told), 60, held.note_overdue, plain=False))
    await call_soon_again()
    calling.cancel()
    await asyncio.wait({calling}, timeout=10)
    assert calling.cancelled()
    assert told == ["cancelled", "cut off"] * 2


async def test_what_a_coroutine_says_to_being_cut_off_does_not_count(
    caller: Caller, held: Held, no_patience: None
) -> None:
    async def goes_on_and_complains() -> None:
        try:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        finally:
            raise KeyError("cut off")

    with pytest.raises(NoAnswer):
        await asyncio.wait_for(call(caller, goes_on_and_complains, held, 0.02), 10)


async def test_a_coroutine_that_returns_when_it_is_cancelled_has_not_answered(caller: Caller, held: Held) -> None:
    async def gives_in() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "delivered"

    with pytest.raises(NoAnswer):
        await call(caller, gives_in, held, 0.02)
    calling = asyncio.create_task(call(caller, gives_in, held))
    await call_soon_again()
    calling.cancel()
    await asyncio.wait({calling}, timeout=10)
    assert calling.cancelled()


async def test_a_coroutine_goes_on_after_cancellations_that_are_its_own_affair(
    caller: Caller, held: Held, no_patience: None
) -> None:
    async def busy() -> str:
        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            inner = asyncio.create_task(asyncio.sleep(60))
            inner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await inner
            await asyncio.sleep(0.06)
        return "delivered"

    assert await call(caller, busy, held) == "delivered"


async def test_a_coroutine_may_clean_up_when_it_is_cancelled(caller: Caller, held: Held) -> None:
    cleaned = []

    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.append("up")

    with pytest.raises(NoAnswer):
        await call(caller, cleans_up, held, 0.02)
    assert cleaned == ["up"]


async def test_a_coroutine_that_holds_the_loop_is_named_with_its_seconds(caller: Caller, held: Held) -> None:
    async def holds() -> None:
        await asyncio.sleep(0)
        time.sleep(HELD_SECONDS * 1.5)  # noqa: ASYNC251 - the fault

    async def waits() -> None:
        await asyncio.sleep(HELD_SECONDS * 1.5)

    await call(caller, waits, held)
    assert held.seconds == []
    await call(caller, holds, held)
    assert len(held.seconds) == 1
    assert held.seconds[0] >= HELD_SECONDS * 1.4  # without what it waited for a CPU


async def test_an_awaitable_from_a_plain_function_is_awaited_no_longer_than_any(caller: Caller, held: Held) -> None:
    async def inner(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return threading.current_thread().name

    assert await call(caller, lambda: inner(0), held) == "MainThread"
    with pytest.raises(NoAnswer):
        await call(caller, lambda: inner(60), held, 0.02)


async def test_an_answer_that_is_there_at_once_or_is_no_coroutine_will_do(caller: Caller, held: Held) -> None:
    """As of a plugin's hook that stands in for an output's `async def`."""
    promised = asyncio.get_running_loop().create_future()
    promised.set_result("promised")
    assert await caller.call(lambda: promised, 5, held.note_overdue, plain=False) == "promised"
    assert await caller.call(lambda: "at once", 5, held.note_overdue, plain=False) == "at once"


async def test_what_is_under_way_when_the_loop_ends_may_clean_up_and_no_more(caller: Caller, held: Held) -> None:
    cleaned = []

    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append("up")

    calling = call(caller, hangs, held)
    calling.send(None)
    calling.close()
    assert cleaned == ["up"]


async def test_as_many_plain_calls_run_at_once_as_there_are_threads(caller: Caller, held: Held) -> None:
    release = threading.Event()
    begun: list[str] = []

    def slow() -> None:
        begun.append(threading.current_thread().name)
        assert release.wait(10)

    calls = [asyncio.create_task(call(caller, slow, held)) for _ in range(3)]
    await until(lambda: len(begun) == 2)
    await call_soon_again()
    assert len(set(begun)) == 2
    release.set()
    await asyncio.gather(*calls)
    assert len(begun) == 3
    assert len(set(begun)) == 2


async def call_soon_again() -> None:
    """Let the loop and other threads run for a few rounds."""
    for _ in range(5):
        await asyncio.sleep(0.001)


# --- In a delivery


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
        time.sleep(0.2)

    far.answer = hold
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, async_output("sink", far)) as rooms:
            await rooms.push()
            await until(rooms.is_settled)
    (line,) = [line for line in log if "held the event loop" in line["event"]]
    assert line["output"] == "sink"
    assert line["seconds"] >= 0.15


@pytest.fixture
def crowd() -> Iterator[None]:
    """The test's thread shares one CPU with eight processes that are never done."""
    before = os.sched_getaffinity(0)
    cpu = min(before)
    busy = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{cpu}}})\nprint(flush=True)\nwhile True: pass"]
    others = [subprocess.Popen(busy, stdout=subprocess.PIPE) for _ in range(8)]
    try:
        for other in others:
            assert other.stdout
            other.stdout.readline()
        os.sched_setaffinity(0, {cpu})
        yield
    finally:
        os.sched_setaffinity(0, before)
        for other in others:
            other.kill()
            other.communicate()


def work() -> float:
    """Needs little of a CPU; returns how long that took."""
    began, done = time.perf_counter(), time.thread_time() + HELD_SECONDS / 3
    while time.thread_time() < done:
        pass
    return time.perf_counter() - began


async def test_a_machine_that_has_too_much_to_do_is_not_the_outputs_fault(
    caller: Caller, held: Held, crowd: None
) -> None:
    async def deliver() -> float:
        await asyncio.sleep(0)
        return work()

    assert await call(caller, deliver, held) > HELD_SECONDS
    assert await caller.call(work, 5, held.note_overdue, plain=False) > HELD_SECONDS
    assert held.seconds == []


@pytest.mark.parametrize("kept", [True, False], ids=["waits are known", "waits are not known"])
async def test_code_that_sleeps_holds_the_loop_however_busy_the_machine_is(
    caller: Caller, held: Held, crowd: None, kept: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not kept:
        monkeypatch.setattr(stopwatch, "_SCHEDULING", tmp_path / "missing")
    await caller.call(lambda: time.sleep(HELD_SECONDS * 1.5), 5, held.note_overdue, plain=False)
    assert len(held.seconds) == 1


async def test_a_delivery_that_ignores_its_cancellation_is_tried_again_and_does_not_hold_up_the_end(
    tmp_path: Path, far: Far, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(call_module, "CLEANUP_SECONDS", 0.02)

    async def goes_on() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    far.answer = lambda delivery: None if len(far.given) == 3 else goes_on()
    before = asyncio.all_tasks()
    async with opened(tmp_path, async_output("sink", far), timeout=Duration("20ms")) as rooms:
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
        assert far.ids() == ids
        assert rooms.report().delivered == 1
        assert [delivery.event.id for delivery in far.given] == ids * 3
        await rooms.push()
        await until(lambda: len(far.given) == 4)
        await asyncio.wait_for(rooms.dispatcher.stop(), 2)
        assert len(far.taken) == 1
        assert asyncio.all_tasks() == before
