"""One timer keeps the time limits of many calls, each to its own time."""

from __future__ import annotations

import asyncio
import time

import pytest

from bridge.dispatch.deadline import Deadlines
from tests.rooms import timers_set

pytestmark = pytest.mark.anyio

LONG = 60.0


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines()


async def overslept(deadlines: Deadlines, seconds: float) -> None:
    """Make a call that never ends by itself."""
    began = time.perf_counter()
    with pytest.raises(TimeoutError), deadlines.limit(seconds) as limit:
        await asyncio.sleep(LONG)
    assert limit.expired
    assert seconds <= time.perf_counter() - began < LONG / 2


async def test_each_call_ends_at_its_own_time_whichever_began_first(deadlines: Deadlines) -> None:
    with deadlines.limit(LONG):
        await asyncio.gather(*(overslept(deadlines, seconds) for seconds in (0.3, 0.05, 0.15)))
    deadlines.close()


async def test_a_call_that_ends_in_time_is_left_alone(deadlines: Deadlines) -> None:
    with deadlines.limit(0.01) as limit:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)  # past the limit: what comes late would cancel this
    assert not limit.expired
    deadlines.close()


async def test_many_calls_set_one_timer(deadlines: Deadlines, monkeypatch: pytest.MonkeyPatch) -> None:
    timers = timers_set(monkeypatch)
    for _ in range(100):
        with deadlines.limit(LONG):
            pass
    assert len(timers) == 1
    deadlines.close()
    assert timers[0].cancelled()


async def test_whoever_else_cancels_is_not_told_of_a_time_limit(deadlines: Deadlines) -> None:
    async def call() -> None:
        with deadlines.limit(0.02):
            try:
                await asyncio.sleep(LONG)
            finally:
                task.cancel()  # at the same time as the limit does

    task = asyncio.create_task(call())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_what_a_call_raises_when_its_time_is_over_stands(deadlines: Deadlines) -> None:
    async def call() -> None:
        with deadlines.limit(0.02):
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                raise LookupError from None

    with pytest.raises(LookupError):
        await call()
    await asyncio.sleep(0)  # the cancellation was taken back
