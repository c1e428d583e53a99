"""Watching live: pushes, events and deliveries as they come. Who reads too slowly is told how much was left out.

A tap is a plugin like any other, there only while somebody watches: it listens, and costs nothing else.
"""

from __future__ import annotations

import asyncio
import fnmatch
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from bridge.event import Event, shortened, utc_now
from bridge.hookspecs import hookimpl
from bridge.normalizer import Outcome, Push
from bridge.output import Delivery
from bridge.plugins import Plugins
from bridge.receiver.intake import Intake

What = Literal["pushes", "events", "deliveries"]
MOST: Final = 1000
"""Lines that wait for one watcher; what comes while so many do is left out, and counted."""
WATCHERS: Final = 8
_MOST_COUNTS: Final = 20
"""Of one event: a device that sends megabytes of them must not fill memory where a watcher is slow."""
_GATHER_SECONDS: Final = 0.05
"""What comes meanwhile goes out together."""
_encoder: Final = msgspec.json.Encoder()


class Line(Struct, frozen=True, kw_only=True, tag_field="what"):
    """One thing that happened."""

    at: datetime


class PushLine(Line, frozen=True, kw_only=True, tag="push"):
    """A push was answered."""

    peer: str
    protocol: str
    device: str
    """Empty where the push was not understood."""
    outcome: str
    reason: str
    path: str
    transport: str
    bytes: int


class EventLine(Line, frozen=True, kw_only=True, tag="event"):
    """An event is on disk."""

    id: str
    kind: str
    device: str
    channel: str
    counts: dict[str, int]
    pictures: int
    bytes: int
    """Of the pictures."""


class DeliveryLine(Line, frozen=True, kw_only=True, tag="delivery"):
    """An attempt ended, or an event became a dead letter."""

    output: str
    outcome: Literal["delivered", "failed", "dead"]
    id: str
    kind: str
    device: str
    channel: str
    attempt: int
    late: bool
    replayed: bool
    seconds: float | None = None
    reason: str = ""


class OutputLine(Line, frozen=True, kw_only=True, tag="output"):
    """An output's state changed."""

    output: str
    state: str
    reason: str


class DroppedLine(Line, frozen=True, kw_only=True, tag="dropped"):
    """So many lines were left out before the next one, because the watcher reads too slowly."""

    count: int


class Wanted(Struct, frozen=True, kw_only=True):
    """What somebody watches. Patterns are those of `only`; empty: any."""

    what: Collection[str] = get_args(What)
    device: str = ""
    kind: str = ""
    output: str = ""

    def has(self, device: str, kinds: Collection[str]) -> bool:
        """Whether something of this device, about events of these kinds, is wanted."""
        if self.device and not fnmatch.fnmatchcase(device, self.device):
            return False
        return not self.kind or any(fnmatch.fnmatchcase(kind, self.kind) for kind in kinds)

    def has_output(self, output: str) -> bool:
        """Whether deliveries of this output are wanted."""
        return "deliveries" in self.what and (not self.output or fnmatch.fnmatchcase(output, self.output))


class Tap:
    """What one watcher has yet to read."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._lines: deque[Line] = deque()
        self._dropped = 0
        self._something = asyncio.Event()
        self._over = False

    # --- What happens

    def push_answered(
        self, push: Push, protocol: str, device: str, events: tuple[Event, ...], outcome: Outcome
    ) -> None:
        """As the intake tells it."""
        if (
            "pushes" in self._wanted.what
            and self._wanted.has(device, [event.kind for event in events])
            and self._room()
        ):
            self._add(
                PushLine(
                    at=utc_now(),
                    peer=push.peer,
                    protocol=protocol,
                    device=device,
                    outcome=outcome.kind,
                    reason=outcome.reason,
                    path=push.path,
                    transport=push.transport,
                    bytes=len(push.body),
                )
            )

    @hookimpl
    def event_accepted(self, event: Event) -> None:
        """As plugins hear it, here and below."""
        if "events" in self._wanted.what and self._wanted.has(event.device.id, [event.kind]) and self._room():
            self._add(
                EventLine(
                    at=utc_now(),
                    id=event.id,
                    kind=event.kind,
                    device=event.device.id,
                    channel=event.channel.id,
                    counts={shortened(name): count for name, count in islice(event.counts.items(), _MOST_COUNTS)},
                    pictures=len(event.pictures),
                    bytes=sum(picture.size for picture in event.pictures),
                )
            )

    @hookimpl
    def event_delivered(self, output: str, delivery: Delivery, seconds: float) -> None:
        self._delivery(output, delivery, "delivered", seconds=seconds)

    @hookimpl
    def event_failed(self, output: str, delivery: Delivery, reason: str) -> None:
        self._delivery(output, delivery, "failed", reason=reason)

    @hookimpl
    def event_dead(self, output: str, delivery: Delivery, reason: str) -> None:
        self._delivery(output, delivery, "dead", reason=reason)

    def _delivery(
        self,
        output: str,
        delivery: Delivery,
        outcome: Literal["delivered", "failed", "dead"],
        seconds: float | None = None,
        reason: str = "",
    ) -> None:
        event = delivery.event
        if self._wanted.has_output(output) and self._wanted.has(event.device.id, [event.kind]) and self._room():
            self._add(
                DeliveryLine(
                    at=utc_now(),
                    output=output,
                    outcome=outcome,
                    id=event.id,
                    kind=event.kind,
                    device=event.device.id,
                    channel=event.channel.id,
                    attempt=delivery.attempt,
                    late=delivery.late,
                    replayed=delivery.replayed,
                    seconds=seconds,
                    reason=reason,
                )
            )

    @hookimpl
    def output_state_changed(self, output: str, state: str, reason: str) -> None:
        if self._wanted.has_output(output) and self._wanted.has("", ()) and self._room():
            self._add(OutputLine(at=utc_now(), output=output, state=state, reason=reason))

    def _room(self) -> bool:
        if len(self._lines) < MOST:
            return True
        self._dropped += 1
        return False

    def _add(self, line: Line) -> None:
        self._lines.append(line)
        self._something.set()

    # --- What is read

    def end(self) -> None:
        """Let `read` return, when all that waits is read."""
        self._over = True
        self._something.set()

    async def read(self) -> AsyncIterator[bytes]:
        """What happens, as JSON, a line each, until `end`."""
        over = False
        while not over:
            await self._something.wait()
            self._something.clear()
            over = self._over
            yield b"".join(_encoder.encode(line) + b"\n" for line in self._taken())
            if not over:
                await asyncio.sleep(_GATHER_SECONDS)

    def _taken(self) -> list[Line]:
        lines = list(self._lines)
        self._lines.clear()
        if self._dropped:
            lines.append(DroppedLine(at=utc_now(), count=self._dropped))
            self._dropped = 0
        return lines


class Taps:
    """All who watch."""

    def __init__(self, plugins: Plugins, intake: Intake) -> None:
        self._plugins = plugins
        self._intake = intake
        self._open: set[Tap] = set()
        self._closed = False

    def refusal(self) -> str:
        """Why nobody more can watch now; "" where one can."""
        if self._closed:
            return "boxbridge is stopping"
        return f"{WATCHERS} are watching already: end one of them first" if len(self._open) >= WATCHERS else ""

    @contextmanager
    def watching(self, wanted: Wanted, seconds: float | None) -> Iterator[Tap]:
        """What happens from now on, for so many seconds or until the daemon stops."""
        tap = Tap(wanted)
        name = f"tap {id(tap)}"
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, tap.end)
        self._open.add(tap)
        self._plugins.register(tap, name)
        self._intake.on_answer.append(tap.push_answered)
        try:
            yield tap
        finally:
            self._intake.on_answer.remove(tap.push_answered)
            self._plugins.unregister(name)
            self._open.discard(tap)
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Let all end: what watches must not hold up the daemon's end."""
        self._closed = True
        for tap in self._open:
            tap.end()
