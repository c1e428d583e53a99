"""Who pushes: when each device was last seen, its rhythm, its clock, its skills, and what is odd about its pushes.

It survives a restart in one small file, written at leisure; what a crash takes of it is a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import nlargest
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from bridge.errors import why
from bridge.event import Event, shortened
from bridge.normalizer import Push
from bridge.threads import Threads

log = structlog.get_logger("boxbridge.receiver")

MOST_DEVICES: Final = 10_000
_SAVE_SECONDS: Final = 60.0
_INTERVALS: Final = 16
_SKEWS: Final = 8
_DAYS: Final = 14
"""So long a silence is remembered: a gate that is shut at week-ends is not late each Saturday."""
_MOST_SKILLS: Final = 20
_MOST_FIELDS: Final = 50
_NEVER_LATE_SECONDS: Final = 120.0
_REGULAR: Final = 3.0
"""A device keeps time whose longest interval of late is at most so many times its usual one."""
_RHYTHMS: Final = 4.0
"""One that keeps time is late after so many usual intervals."""
_LONGER: Final = 1.5
"""One that pushes when something happens is late after so many times its longest silence,"""
_LEARNING_SECONDS: Final = 86_400.0
"""but not within its first day, of which no night is known."""


class Pusher(Struct, kw_only=True):
    """One device, as it was seen. Times are seconds since 1970."""

    id: str
    name: str = ""
    serial: str = ""
    peer: str = ""
    first_seen: float
    last_seen: float
    pushes: int = 0
    intervals: list[float] = []
    """Seconds between its last pushes."""
    silences: dict[int, float] = {}
    """Its longest silence, by the day (since 1970) on which it ended."""
    skews: list[float] = []
    """By how much its clock was ahead, as its last pushes told; what was on its way for long looks behind."""
    skills: dict[str, str] = {}
    """Versions by skill."""
    fields: dict[str, int] = {}
    """How often which field was missing or of a wrong type."""

    @property
    def skew(self) -> float | None:
        """Seconds that its clock is ahead, negative behind; None where it tells no time."""
        return max(self.skews) if self.skews else None

    @property
    def rhythm(self) -> float | None:
        """Seconds that usually lie between two pushes; None where it was seen once only."""
        return median(self.intervals) if self.intervals else None

    def expected_within(self) -> float | None:
        """Seconds of silence after which it is late; None while too little is known of it."""
        rhythm = self.rhythm
        if rhythm is None or len(self.intervals) < _INTERVALS:
            return None
        if max(self.intervals) <= _REGULAR * rhythm:
            return max(_NEVER_LATE_SECONDS, _RHYTHMS * rhythm)
        if self.last_seen - self.first_seen < _LEARNING_SECONDS:
            return None
        return max(_NEVER_LATE_SECONDS, _LONGER * max(self.silences.values(), default=0.0))

    def is_late(self, now: float, listening_since: float) -> bool:
        """Whether it is silent for longer than it ever is, while somebody listens."""
        within = self.expected_within()
        return within is not None and now - max(self.last_seen, listening_since) > within


class Devices:
    """All devices that push; of very many the longest unseen are forgotten. Belongs to the event loop."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Pusher] = {}
        self.opened = time.time()
        """Since when pushes are heard: a silence before that is our own."""
        self._changed = False
        self._thread = Threads("devices", 1)
        self._task: asyncio.Task[None] | None = None

    # --- Life

    async def open(self) -> None:
        """Read what an earlier run knew, and go on to write what changes."""
        for pusher in await self._thread.run(self._read):
            self._known.setdefault(pusher.id, pusher)
        self._task = asyncio.create_task(self._save_at_leisure())

    async def close(self) -> None:
        """Write it a last time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._save()

    # --- Noting

    def note(self, device: str, push: Push, event: Event | None, oddities: Iterable[str]) -> None:
        """A push of this device came; `event`: the first it holds."""
        now = push.received.timestamp()
        pusher = self._known.get(device)
        if pusher is None:
            pusher = self._known[device] = Pusher(id=device, first_seen=now, last_seen=now)
            if len(self._known) > MOST_DEVICES:
                self._forget_some()
        else:
            _note_interval(pusher, now, self.opened)
        pusher.last_seen = now
        pusher.pushes += 1
        pusher.peer = push.peer
        if event is not None:
            _note_event(pusher, event, now)
        for field in oddities:
            if field in pusher.fields or len(pusher.fields) < _MOST_FIELDS:
                pusher.fields[shortened(field)] = pusher.fields.get(shortened(field), 0) + 1
        self._changed = True

    def forget(self, device: str) -> bool:
        """Let go of one; returns whether it was known."""
        self._changed = True
        return self._known.pop(device, None) is not None

    # --- Asking

    @property
    def last_seen(self) -> dict[str, datetime]:
        """When each was last seen."""
        return {device: datetime.fromtimestamp(pusher.last_seen, UTC) for device, pusher in self._known.items()}

    def odd_fields(self, most: int) -> list[tuple[str, str, int]]:
        """What is odd most often, as device, field, count."""
        odd = ((pusher.id, field, count) for pusher in self._known.values() for field, count in pusher.fields.items())
        return nlargest(most, odd, key=lambda one: one[2])

    def all(self) -> list[Pusher]:
        """All of them, the last seen first."""
        return sorted(self._known.values(), key=lambda pusher: pusher.last_seen, reverse=True)

    # --- On disk

    def _forget_some(self) -> None:
        for pusher in self.all()[-MOST_DEVICES // 10 :]:
            del self._known[pusher.id]

    async def _save_at_leisure(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            await self._save()

    async def _save(self) -> None:
        if not self._changed:
            return
        self._changed = False
        content = msgspec.json.encode(list(self._known.values()))
        try:
            await self._thread.run(lambda: self._write(content))
        except OSError as error:
            self._changed = True
            log.warning("what is known of devices could not be saved; tried again in a minute",
                        file=str(self._file), error=error.strerror)  # fmt: skip

    def _write(self, content: bytes) -> None:
        beside = self._file.with_name(f".{self._file.name}.part")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)

    def _read(self) -> list[Pusher]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[Pusher])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.warning("what was known of devices can't be read; it is learned anew",
                        file=str(self._file), error=why(error))  # fmt: skip
            return []


def _note_interval(pusher: Pusher, now: float, opened: float) -> None:
    interval = now - pusher.last_seen
    if interval < 0 or pusher.last_seen < opened <= now:
        return  # our clock was set back, or nobody was listening
    pusher.intervals.append(interval)
    if len(pusher.intervals) > _INTERVALS:
        del pusher.intervals[0]
    day = int(now // 86_400)
    if interval > pusher.silences.get(day, 0.0):
        pusher.silences[day] = interval
        for old in [known for known in pusher.silences if known <= day - _DAYS]:
            del pusher.silences[old]


def _note_event(pusher: Pusher, event: Event, now: float) -> None:
    pusher.name, pusher.serial = shortened(event.device.name), shortened(event.device.serial)
    told = event.reported or (event.occurred if event.time_from == "device" else None)
    if told is not None:
        pusher.skews.append(round(told.timestamp() - now, 3))
        if len(pusher.skews) > _SKEWS:
            del pusher.skews[0]
    if event.skill.id and (event.skill.id in pusher.skills or len(pusher.skills) < _MOST_SKILLS):
        pusher.skills[shortened(event.skill.id)] = shortened(event.skill.version)
