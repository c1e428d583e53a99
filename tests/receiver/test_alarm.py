"""A time limit that is put off again and again: it calls at its last time only, by few timers."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from bridge.receiver.alarm import Alarm
from tests.rooms import timers_set, until

pytestmark = pytest.mark.anyio

LONG = 60.0


class Calls:
    """Counts the times of its loop at which it is called."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.times: list[float] = []
        self.alarm = Alarm(self.loop, self.note)

    def note(self) -> None:
        assert not self.alarm.is_set
        self.times.append(self.loop.time())


async def test_it_calls_once_when_its_time_has_come() -> None:
    calls = Calls()
    began = calls.loop.time()
    calls.alarm.set(0.02)
    assert calls.alarm.is_set
    await until(lambda: calls.times)
    assert calls.times[0] >= began + 0.02
    await asyncio.sleep(0.05)
    assert len(calls.times) == 1


async def test_what_is_put_off_calls_at_the_last_time_only() -> None:
    calls = Calls()
    calls.alarm.set(0.02)
    began = calls.loop.time()
    calls.alarm.set(0.2)
    await until(lambda: calls.times)
    assert len(calls.times) == 1
    assert calls.times[0] >= began + 0.2


async def test_a_sooner_time_counts_as_well() -> None:
    calls = Calls()
    calls.alarm.set(LONG)
    calls.alarm.set(0.02)
    await until(lambda: calls.times)
    calls.alarm.set(LONG)
    assert calls.alarm.is_set
    calls.alarm.close()


async def test_what_is_unset_or_closed_does_not_call() -> None:
    calls, closed = Calls(), Calls()
    for one in (calls, closed):
        one.alarm.set(0.02)
    calls.alarm.unset()
    closed.alarm.close()
    await asyncio.sleep(0.1)
    assert not calls.times
    assert not closed.times


async def test_putting_off_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = timers_set(monkeypatch)
    alarm = Alarm(asyncio.get_running_loop(), lambda: None)
    for _ in range(1000):
        alarm.set(LONG)
        alarm.unset()
    assert len(timers) == 1
    alarm.close()


async def test_nothing_holds_what_is_closed() -> None:
    calls = Calls()
    calls.alarm.set(LONG)
    calls.alarm.close()
    seen = weakref.ref(calls)
    del calls
    gc.collect()
    assert seen() is None
