"""What waits for the writer: pushes and jobs, and how many of the pushes make one group."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from bridge.journal.record import PushBlob

_GROUP_BUFFERS: Final = 256
_GROUP_BYTES: Final = 8_000_000
_PATIENCE: Final = 0.25
"""Part of a sync's time that a group waits for others,"""
_LEAST_PATIENCE: Final = 0.001
"""or so many seconds, where a disk is quick: what each group costs is the time of several pushes."""


class Entry(Struct, frozen=True):
    """A push on its way to the disk."""

    blob: PushBlob
    packed: bytes
    """The blob's bytes: packed by who submits it, so that one that can't be packed harms nobody else."""
    pictures: tuple[bytes, ...]
    size: int
    """Bytes of it all."""
    waiting: Any
    """Who waits; the writer only hands it back with the outcome."""


class Job(Struct, frozen=True):
    """Something to be done in the writer's thread, between groups."""

    run: Callable[[], None]
    done: Callable[[Exception | None], None]
    """Called from the thread in any case."""


class Waiting:
    """The queue before the writer. Any thread puts, the writer's alone gathers."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Entry | Job, ...]] = queue.SimpleQueue()
        self._taken: deque[Entry | Job] = deque()
        """What came from the queue with others, and was not gathered yet."""
        self._crowd = (1, 1)
        """How many pushes the last two groups had."""
        self._patient_until = 0.0

    def put(self, *items: Entry | Job) -> None:
        """Let these wait, in their order."""
        if items:
            self._queue.put(items)

    def rest(self) -> Iterator[Entry | Job]:
        """Take all that waits now."""
        while True:
            try:
                yield self._next(0.0)
            except queue.Empty:
                return

    def gather(self, until: float, sync_seconds: float) -> tuple[list[Entry], Entry | Job]:
        """What waits, up to the bounds of a group, and the item that ended it.

        Waits for the first of it until that time (monotonic). `sync_seconds`: what a sync takes at present.
        """
        group: list[Entry] = []
        buffers = size = 0
        item: Entry | Job = WAKE
        try:
            item = self._next(until - time.monotonic())
            self._patient_until = time.monotonic() + max(_LEAST_PATIENCE, _PATIENCE * sync_seconds)
            while isinstance(item, Entry):
                group.append(item)
                buffers += 1 + len(item.pictures)
                size += item.size
                if buffers >= _GROUP_BUFFERS or size >= _GROUP_BYTES:
                    break
                item = self._next_of(group)
        except queue.Empty:
            item = WAKE
        if group:
            self._crowd = self._crowd[1], len(group)
        return group, item

    def _next_of(self, group: list[Entry]) -> Entry | Job:
        """What else waits; raises queue.Empty.

        Senders that were answered together push again together. It pays to wait a moment for all of them: they would
        else come in two groups by turns, and each wait for two syncs. One that pushes alone is not kept waiting.
        """
        if self._taken or len(group) >= max(self._crowd):
            return self._next(0.0)
        return self._next(self._patient_until - time.monotonic())

    def _next(self, seconds: float) -> Entry | Job:
        """The next of what waits, or what comes within so many seconds; raises queue.Empty."""
        while True:
            try:
                return self._taken.popleft()
            except IndexError:
                self._taken.extend(self._queue.get(timeout=max(0.0, seconds)))


WAKE: Final = Job(lambda: None, lambda _: None)
"""Makes the writer look at what is due."""
END: Final = Job(lambda: None, lambda _: None)
"""The last of all: ends the writer."""
