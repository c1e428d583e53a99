"""An output's methods are called on the loop or in threads, and what they do there harms nobody else."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.dispatch.call import HELD_SECONDS, Caller, NoAnswer, is_plain
from tests.rooms import until

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
    assert held.seconds[0] >= HELD_SECONDS * 1.5


async def test_an_awaitable_from_a_plain_function_is_awaited_no_longer_than_any(caller: Caller, held: Held) -> None:
    async def inner(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return threading.current_thread().name

    assert await call(caller, lambda: inner(0), held) == "MainThread"
    with pytest.raises(NoAnswer):
        await call(caller, lambda: inner(60), held, 0.02)


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
