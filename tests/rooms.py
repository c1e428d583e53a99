"""The rooms behind the doors, without them: a journal, plugins, an intake and a dispatcher that tests push through."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from bridge import Answer, Delivery, Event, Output, Push, hookimpl
from bridge.config.settings import OutputSettings, Settings
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.lane import Lane, LaneReport
from bridge.event import utc_now
from bridge.journal.journal import Journal, Keep
from bridge.options import Duration
from bridge.output import NoOptions, OutputContext
from bridge.plugins import Plugins
from bridge.protocols.skill import PATH
from bridge.receiver.intake import Intake
from bridge.testing import sample_push


async def until(condition: Callable[[], object], within: float = 10) -> None:
    """Wait until something holds; fails where it does not come true in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.001)


def timers_set(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.TimerHandle]:
    """The timers that the running loop is asked for from now on, in their order."""
    loop, timers = asyncio.get_running_loop(), []
    set_timer: Callable[..., asyncio.TimerHandle] = loop.call_at

    def call_at(*arguments: object) -> asyncio.TimerHandle:
        timers.append(set_timer(*arguments))
        return timers[-1]

    monkeypatch.setattr(loop, "call_at", call_at)
    return timers


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    @classmethod
    def of(cls, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Self:
        """The clock that a module reads from now on."""
        clock = cls()
        monkeypatch.setattr(module, "time", clock)
        return clock

    def monotonic(self) -> float:
        return self.now


class Far:
    """The far side of a test's output: what it was given, and what it does about it."""

    def __init__(self) -> None:
        self.given: list[Delivery] = []
        """In the order in which deliveries began."""
        self.taken: list[Delivery] = []
        """In the order in which they succeeded."""
        self.calls: list[str] = []
        """Openings and closings."""
        self.threads: set[str] = set()
        """Names of the threads that called."""
        self.output: Output

        self.opening: Callable[[], object] = lambda: None
        self.answer: Callable[[Delivery], Any] = lambda _: None
        """May raise; for an async output it may return something to await."""

    def ids(self) -> list[str]:
        """Which events it took, in order."""
        return [delivery.event.id for delivery in self.taken]

    def note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)


class TestOutput(Output):
    """What the outputs of tests have in common."""

    __test__ = False
    far: ClassVar[Far]

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        self.far.output = self

    async def open(self) -> str | None:
        self.far.note("open")
        opened = self.far.opening()
        if isinstance(opened, Awaitable):
            await opened
        return "found"

    async def close(self) -> None:
        self.far.note("close")


def async_output(name: str, far: Far) -> type[Output]:
    """An output whose `deliver` is a coroutine."""

    class AsyncOutput(TestOutput):
        type = name

        async def deliver(self, delivery: Delivery) -> str | None:
            far.given.append(delivery)
            answered = far.answer(delivery)
            if isinstance(answered, Awaitable):
                await answered
            far.taken.append(delivery)
            return answered if isinstance(answered, str) else None

    AsyncOutput.far = far
    return AsyncOutput


def plain_output(name: str, far: Far) -> type[Output]:
    """An output whose `deliver` is a plain function."""

    class PlainOutput(TestOutput):
        type = name

        def deliver(self, delivery: Delivery) -> str | None:
            far.given.append(delivery)
            far.threads.add(threading.current_thread().name)
            answered = far.answer(delivery)
            far.taken.append(delivery)
            return answered if isinstance(answered, str) else None

    PlainOutput.far = far
    return PlainOutput


def output_with(options: type[Struct]) -> type[Output]:
    """An output that is there for its options only."""
    return type("OptionsOnly", (Output,), {"type": "options-only", "Options": options})


class Bringing:
    """A plugin that brings these outputs and normalizers."""

    def __init__(self, *outputs: Any, normalizers: tuple[Any, ...] = ()) -> None:
        self._outputs, self._normalizers = outputs, normalizers

    @hookimpl
    def register_outputs(self) -> Any:
        return self._outputs

    @hookimpl
    def register_normalizers(self) -> Any:
        return self._normalizers


class Heard:
    """A plugin that only listens, and brings the outputs of a test."""

    def __init__(self, *outputs: type[Output]) -> None:
        self._outputs = outputs
        self.accepted: list[Event] = []
        self.delivered: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str, str]] = []
        self.dead: list[tuple[str, str, str]] = []
        self.states: list[tuple[str, str]] = []

    @hookimpl
    def register_outputs(self) -> list[type[Output]]:
        return list(self._outputs)

    @hookimpl
    def event_accepted(self, event: Event) -> None:
        self.accepted.append(event)

    @hookimpl
    def event_delivered(self, output: str, delivery: Delivery, seconds: float) -> None:
        assert seconds >= 0
        self.delivered.append((output, delivery.event.id))

    @hookimpl
    def event_failed(self, output: str, delivery: Delivery, reason: str) -> None:
        self.failed.append((output, delivery.event.id, reason))

    @hookimpl
    def event_dead(self, output: str, delivery: Delivery, reason: str) -> None:
        self.dead.append((output, delivery.event.id, reason))

    @hookimpl
    def output_state_changed(self, output: str, state: str, reason: str) -> None:
        self.states.append((output, state))

    def ids(self) -> list[str]:
        """The events that were accepted, in order."""
        return [event.id for event in self.accepted]


class Rooms:
    """What stands between a push and an output."""

    def __init__(self, folder: Path, *outputs: type[Output], **changes: Any) -> None:
        self.heard = Heard(*outputs)
        self.plugins = Plugins()
        self.plugins.load()
        self.plugins.register(self.heard, "heard")
        self.settings = settings_for(folder, *(output.type for output in outputs), **changes)
        keep = Keep(settled=self.settings.journal.keep, dead=self.settings.journal.keep_dead)
        self.journal = Journal(folder / "journal", keep)
        self.intake = Intake(self.journal, self.plugins, self.settings)
        self.dispatcher = Dispatcher(self.journal, self.plugins, lambda: self.intake.devices.last_seen)

    async def push(self, body: bytes | None = None, **changes: Any) -> Answer:
        """Push a body, a small sample if left out."""
        return await self.take(push_of(body or sample_push(small=True, **changes)))

    async def take(self, push: Push) -> Answer:
        """Hand over a push; what is counted and told of it follows its answer."""
        answer = await self.intake.take(push)
        await asyncio.sleep(0)
        return answer

    async def push_some(self, count: int) -> list[str]:
        """Push so many events one after the other; returns their ids."""
        before = len(self.heard.accepted)
        for _ in range(count):
            await self.push()
        return self.heard.ids()[before:]

    def lane(self, name: str = "sink") -> Lane:
        return self.dispatcher.lanes[name]

    def report(self, name: str = "sink") -> LaneReport:
        return self.lane(name).report()

    def is_settled(self, name: str = "sink") -> bool:
        """Whether the output has nothing left to do."""
        report = self.report(name)
        return not report.waiting and not report.under_way


class Disk:
    """The disk below the journal, which can be made to fail as a full one does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sync = os.fdatasync
        self._failing = False
        monkeypatch.setattr(os, "fdatasync", self._fdatasync)

    def _fdatasync(self, file: int) -> None:
        if self._failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._sync(file)

    def fail(self) -> None:
        self._failing = True

    def mend(self) -> None:
        self._failing = False


def push_of(body: bytes, path: str = PATH, headers: dict[str, str] | None = None) -> Push:
    """A push as the receiver hands it on."""
    return Push(
        method="POST",
        path=path,
        query="",
        headers={"content-type": "application/json"} | (headers or {}),
        body=body,
        peer="127.0.0.1",
        received=utc_now(),
    )


def settings_for(folder: Path, *outputs: str, **changes: Any) -> Settings:
    """Settings with an output of each of these types, named like it; `changes`: of what every output has."""
    changes = {"timeout": Duration("10s")} | changes
    return Settings(
        site="plant-a",
        data=folder,
        timezone=ZoneInfo("Asia/Shanghai"),
        output={name: OutputSettings(type=name, options=NoOptions(), **changes) for name in outputs},
    )


@asynccontextmanager
async def opened(folder: Path, *outputs: type[Output], **changes: Any) -> AsyncIterator[Rooms]:
    """The rooms for a while, with these outputs, each named like its type."""
    rooms = Rooms(folder, *outputs, **changes)
    await rooms.journal.open({name: output.from_ for name, output in rooms.settings.output.items()})
    try:
        await rooms.dispatcher.apply(rooms.settings)
        yield rooms
    finally:
        await rooms.dispatcher.stop()
        await rooms.journal.close()
