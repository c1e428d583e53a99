"""An output whose code harms others is named and paused; the others go on."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from bridge import Delivery, Event, Output, OutputContext, Retry, Unavailable, hookimpl
from bridge.dispatch import conduct
from bridge.dispatch.conduct import HELD_IN_ALL, HELD_TIMES, HELD_WITHIN, MOST_THREADS, Holds
from bridge.words import translated
from tests.rooms import Far, async_output, opened, plain_output, until

pytestmark = pytest.mark.anyio

ENDINGS = pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that the books are kept by."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now
    monkeypatch.undo()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes less to be paused."""
    monkeypatch.setattr(conduct, "HELD_TIMES", 2)
    monkeypatch.setattr(conduct, "HELD_IN_ALL", 0.2)


# --- The loop


@pytest.mark.parametrize(
    ("times", "seconds", "apart", "paused"),
    [
        (HELD_TIMES, HELD_IN_ALL / HELD_TIMES, 1.0, True),
        (HELD_TIMES - 1, HELD_IN_ALL, 1.0, False),
        (HELD_TIMES * 4, HELD_IN_ALL / HELD_TIMES / 5, 1.0, False),
        (HELD_TIMES * 4, HELD_IN_ALL / 2, HELD_WITHIN / 2, False),
    ],
    ids=["often and long", "long", "often", "rarely"],
)
def test_who_holds_the_loop_often_and_long_within_a_minute_is_paused(
    now: list[float], times: int, seconds: float, apart: float, paused: bool
) -> None:
    holds = Holds()
    for _ in range(times):
        holds.note(seconds)
        now[0] += apart
    assert bool(holds.too_much()) is paused
    assert holds.seconds == pytest.approx(times * seconds)


def test_who_holds_the_loop_is_named_once_a_minute(now: list[float]) -> None:
    holds = Holds()
    told = []
    for _ in range(100):
        told.append(holds.note(0.2))
        now[0] += 2.0
    assert told.count(True) == 4


async def test_who_holds_the_loop_again_and_again_is_paused_and_says_why(
    tmp_path: Path, far: Far, strict: None
) -> None:
    far.answer = lambda _: time.sleep(0.12)
    other = Far()
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, async_output("sink", far), async_output("other", other), in_flight=1) as rooms:
            ids = await rooms.push_some(4)
            await until(lambda: rooms.report().state == "paused")
            said = r"its code held the event loop 2 times within a minute, \d\.\d s in all, while nobody was served; .*"
            assert re.fullmatch(said, rooms.report().reason)
            assert re.findall(r"[a-z]{3,}", translated("zh", rooms.report().reason)) == ["boxbridge"]
            assert rooms.report().waiting == 2
            await until(lambda: rooms.is_settled("other"))
    assert other.ids() == ids
    paused = [line for line in log if line["event"] == "output sink (sink) is paused"]
    assert [line["output"] for line in paused] == ["sink"]


async def test_what_is_under_way_when_it_is_paused_holds_the_loop_no_more(
    tmp_path: Path, far: Far, strict: None
) -> None:
    gate, held = asyncio.Event(), []

    async def hold(delivery: Delivery) -> None:
        await gate.wait()
        held.append(delivery.event.id)
        time.sleep(0.12)  # noqa: ASYNC251 - the fault that is tried

    far.answer = hold
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(10)
        await until(lambda: len(far.given) == 10)
        gate.set()
        await until(lambda: rooms.report().state == "paused")
        await until(lambda: not rooms.report().under_way)
        assert held == ids[:2]
        assert rooms.report().waiting == 8


async def test_what_was_begun_with_but_never_ran_is_not_given_to_an_output_that_was_paused_meanwhile(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conduct, "HELD_TIMES", 1)
    monkeypatch.setattr(conduct, "HELD_IN_ALL", 0.1)
    ready = asyncio.Event()
    far.opening, far.answer = ready.wait, lambda _: time.sleep(0.12)
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(5)
        ready.set()
        await until(lambda: rooms.report().state == "paused")
        assert rooms.report().under_way == 0
        assert far.ids() == ids[:1]
        reason = rooms.report().reason
        rooms.lane().note_threads(TOO_MANY)
        assert rooms.report().reason == reason


@pytest.mark.parametrize("answer", [None, "taken elsewhere"], ids=["beside it", "in its place"])
async def test_a_hook_of_a_delivery_that_holds_the_loop_counts_for_the_output(
    tmp_path: Path, far: Far, answer: str | None
) -> None:
    class Slow:
        @hookimpl(tryfirst=True)
        def deliver(self, output: Output, delivery: Delivery) -> str | None:
            time.sleep(0.12)
            return answer

    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, async_output("sink", far)) as rooms:
            rooms.plugins.register(Slow(), "slow")
            await rooms.push()
            await until(rooms.is_settled)
    assert [line["output"] for line in log if "held the event loop" in line["event"]] == ["sink"]


# --- Threads


TOO_MANY = MOST_THREADS + 2


@pytest.fixture
def leak() -> Iterator[Callable[[], None]]:
    """Starts too many threads, which end after the test."""
    release, left = threading.Event(), []

    def leak() -> None:
        for _ in range(TOO_MANY):
            left.append(threading.Thread(target=release.wait, args=(60,), daemon=True))
            left[-1].start()

    yield leak
    release.set()
    for thread in left:
        thread.join()


def in_delivery(far: Far, leak: Callable[[], Any]) -> type[Output]:
    far.answer = lambda _: leak()
    return plain_output("sink", far)


def in_delivery_on_the_loop(far: Far, leak: Callable[[], Any]) -> type[Output]:
    far.answer = lambda _: leak()
    return async_output("sink", far)


def in_the_constructor(far: Far, leak: Callable[[], Any]) -> type[Output]:
    class Constructed(plain_output("sink", far)):  # type: ignore[misc]
        def __init__(self, context: OutputContext) -> None:
            super().__init__(context)
            leak()

    return Constructed


def by_a_thread_of_its_own(far: Far, leak: Callable[[], Any]) -> type[Output]:
    return in_delivery(far, lambda: threading.Thread(target=leak).start())


@pytest.mark.parametrize("leaking", [in_delivery, in_delivery_on_the_loop, in_the_constructor, by_a_thread_of_its_own])
async def test_who_leaves_threads_behind_is_paused_and_says_so(
    tmp_path: Path, far: Far, leaking: Callable[..., type[Output]], leak: Callable[[], None]
) -> None:
    other = Far()
    async with opened(tmp_path, leaking(far, leak), plain_output("other", other)) as rooms:
        ids = await rooms.push_some(1)
        await until(lambda: rooms.report().state == "paused")
        assert "threads that still run, and 100 are the most" in rooms.report().reason
        await rooms.push()
        await until(lambda: rooms.is_settled("other"))
        assert rooms.report("other").state == "open"
    assert other.ids()[:1] == ids


async def test_threads_of_nobody_harm_no_output(
    tmp_path: Path, far: Far, leak: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, plain_output("sink", far)) as rooms:
        await rooms.push()
        await until(lambda: far.taken)
        leak()
        looked: list[int] = []
        monkeypatch.setattr(type(rooms.lane()), "note_threads", lambda _, count: looked.append(count))
        await until(lambda: looked)
        assert looked[0] == 1


async def test_a_thread_that_ends_by_an_error_is_told_with_its_output(tmp_path: Path, far: Far) -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    far.answer = lambda _: threading.Thread(target=fail, name="its own").start()
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, plain_output("sink", far)) as rooms:
            await rooms.push()
            await until(lambda: any("ended by an error" in line["event"] for line in log))
    (line,) = [line for line in log if "ended by an error" in line["event"]]
    assert (line["output"], line["thread"], str(line["exc_info"])) == ("sink", "its own", "in a thread")


def test_a_thread_of_nobody_that_ends_by_an_error_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    start, excepthook = threading.Thread.start, threading.excepthook
    monkeypatch.setattr(threading.Thread, "start", partialmethod(start))
    monkeypatch.setattr(threading, "excepthook", told.append)
    conduct.know_makers()
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    assert [str(one.exc_value) for one in told] == ["integer division or modulo by zero"]
    assert threading.excepthook is not excepthook


# --- What would end more than the output


@ENDINGS
async def test_what_would_end_the_daemon_in_a_constructor_pauses_the_output(
    tmp_path: Path, far: Far, ending: type[BaseException]
) -> None:
    class Ending(async_output("sink", far)):  # type: ignore[misc]
        def __init__(self, context: OutputContext) -> None:
            raise ending

    other = Far()
    async with opened(tmp_path, Ending, async_output("other", other)) as rooms:
        await rooms.push()
        await until(lambda: rooms.report().state == "paused")
        assert "it could not be made: RuntimeError: the output " in rooms.report().reason
        await until(lambda: rooms.is_settled("other"))


@ENDINGS
async def test_what_would_end_the_daemon_in_forget_is_told_to_who_asked(
    tmp_path: Path, far: Far, ending: type[BaseException]
) -> None:
    class Ending(async_output("sink", far)):  # type: ignore[misc]
        async def forget(self) -> str:
            raise ending

    async with opened(tmp_path, Ending) as rooms:
        await rooms.dispatcher.apply(replace(rooms.settings, output={}))
        with pytest.raises(RuntimeError):
            await rooms.dispatcher.forget("sink")


async def test_a_plain_forget_that_says_nothing_is_called_in_a_thread(tmp_path: Path, far: Far) -> None:
    class Plain(async_output("sink", far)):  # type: ignore[misc]
        def forget(self) -> None:
            far.note("forget")

    async with opened(tmp_path, Plain) as rooms:
        await rooms.dispatcher.apply(replace(rooms.settings, output={}))
        assert await rooms.dispatcher.forget("sink") == ""
    assert "output-sink-1" in far.threads


@ENDINGS
async def test_what_would_end_the_daemon_in_a_hook_is_logged(
    tmp_path: Path, far: Far, ending: type[BaseException]
) -> None:
    class Ending:
        @hookimpl
        def prepare_event(self, event: Event) -> None:
            raise ending

        @hookimpl
        def event_accepted(self, event: Event) -> None:
            raise ending

    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path, async_output("sink", far)) as rooms:
            rooms.plugins.register(Ending(), "ending")
            ids = await rooms.push_some(1)
            await until(rooms.is_settled)
    assert far.ids() == ids
    assert {line["plugin"] for line in log if "plugin failed" in line["event"]} == {"ending"}


@pytest.mark.parametrize("raised", [Unavailable, Retry])
def test_a_wait_that_is_no_number_is_an_error_where_it_is_raised(raised: type[Unavailable | Retry]) -> None:
    with pytest.raises(ValueError, match="soon"):
        raised("busy", after="soon")  # type: ignore[arg-type]
    assert raised("busy", after=3).after == 3.0


async def test_what_an_output_found_is_shown_only_where_it_is_text(tmp_path: Path, far: Far) -> None:
    class Odd(async_output("sink", far)):  # type: ignore[misc]
        async def open(self) -> Any:
            return object()

    async with opened(tmp_path, Odd) as rooms:
        await until(lambda: rooms.report().state == "open")
        assert rooms.report().reason == ""
