"""One line an event in the log, with how long each output took; under load one line a second instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

import structlog
from msgspec import Struct

from bridge.event import Event, Picture
from bridge.hookspecs import hookimpl
from bridge.output import Delivery

log = structlog.get_logger("boxbridge.events")

LINES_A_SECOND: Final = 10
LONGEST_PART: Final = 120
"""Characters of a line for each thing that it says of an event."""
PATIENCE_SECONDS: Final = 2.0
"""How long an event's line waits for outputs that have not taken it yet."""


class _Line(Struct):
    event: Event
    accepted: float
    timer: asyncio.TimerHandle
    delivered: dict[str, float]


class EventLog:
    """A plugin like any other: it only listens."""

    def __init__(self, open_outputs: Callable[[], Collection[str]]) -> None:
        self._open_outputs = open_outputs
        self._lines: dict[str, _Line] = {}
        self._in_second = 0
        self._left_out = 0
        self._second: asyncio.TimerHandle | None = None

    @hookimpl
    def event_accepted(self, event: Event) -> None:
        """Begin a line, or count the event where there are too many for lines."""
        if self._is_busy():
            self._left_out += 1
            return
        timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._write, event.id)
        self._lines[event.id] = _Line(event, time.perf_counter(), timer, {})
        if not self._open_outputs():
            self._write(event.id)

    @hookimpl
    def event_delivered(self, output: str, delivery: Delivery) -> None:
        """Note an output's time; the line is written when all open outputs have the event."""
        line = self._lines.get(delivery.event.id)
        if line is None:
            return
        line.delivered[output] = time.perf_counter() - line.accepted
        if line.delivered.keys() >= set(self._open_outputs()):
            self._write(delivery.event.id)

    def _is_busy(self) -> bool:
        if self._second is None:
            self._second = asyncio.get_running_loop().call_later(1.0, self._end_second)
        self._in_second += 1
        return self._in_second > LINES_A_SECOND

    def _end_second(self) -> None:
        if self._left_out:
            log.info(f"and {self._left_out} more events")
        self._second, self._in_second, self._left_out = None, 0, 0

    def _write(self, event_id: str) -> None:
        line = self._lines.pop(event_id)
        line.timer.cancel()
        times = "  ".join(f"{output} {seconds * 1000:.0f} ms" for output, seconds in line.delivered.items())
        log.info(f"{summary(line.event)}   {times or 'kept; no output has it yet'}", event_id=event_id)


def summary(event: Event) -> str:
    """An event in a few words: what, where, how many, what picture."""
    counts = "  ".join(f"{name} {count}" for name, count in event.counts.items() if count)
    picture = _picture(event.scene) if event.scene else "no picture"
    place = f"{event.device.id}/{event.channel.id}"
    return "  ".join(_brief(part) for part in (event.kind, place, counts or event.name, picture) if part)


def _picture(scene: Picture) -> str:
    """Its size; a normalizer need not know how many pixels it has."""
    pixels = f"{scene.width}x{scene.height} " if scene.width and scene.height else ""
    return f"{pixels}{scene.size / 1000:.0f} kB"


def _brief(part: str) -> str:
    return part if len(part) <= LONGEST_PART else f"{part[: LONGEST_PART - 1]}…"
