"""Replays under way: each walks the log at its own rate and has its output deliver what it was asked for again.

What it opened is the output's, with retries and dead letters as ever; the replay itself never has more than a few
events open, so that a far side which is away stops it where it is.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from bridge.dispatch.dispatcher import Dispatcher
from bridge.errors import why
from bridge.journal.journal import Cursor, Journal, JournalUnavailable, Record
from bridge.journal.record import ReplayEntry
from bridge.journal.replay import Replay

log = structlog.get_logger("boxbridge.dispatch")

_MOST_OPEN: Final = 16
_LOOK_SECONDS: Final = 0.05
_LONGEST_LOOK_SECONDS: Final = 5.0
_LOG_SECONDS: Final = 1.0
_DISK_SECONDS: Final = 5.0
_STEPS: Final = 100


class Replays:
    """All replays under way."""

    def __init__(self, journal: Journal, dispatcher: Dispatcher) -> None:
        self._journal = journal
        self._dispatcher = dispatcher
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Go on with those that a stop or a crash interrupted."""
        for replay in self._journal.places.replays:
            self._begin(replay)

    async def close(self) -> None:
        """Stop walking; each goes on with the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def add(self, entry: ReplayEntry) -> Replay:
        """Begin one, once it is on disk, so that a restart goes on with it; raises JournalUnavailable."""
        replay = Replay(entry)
        self._journal.places.replays = [*self._journal.places.replays, replay]
        try:
            await self._journal.write_state()
        except JournalUnavailable:
            self._drop(replay)
            raise
        self._begin(replay)
        return replay

    async def cancel(self, replay: Replay) -> None:
        """Open nothing more; what it opened is delivered. On disk with what is logged next."""
        if replay.number in self._tasks:
            task = self._tasks[replay.number]
            task.cancel()
            await asyncio.wait({task})
        replay.cancel()
        self._begin(replay)

    async def cancel_of(self, cursor: Cursor) -> None:
        """Cancel the replays of an output whose place is given up."""
        for replay in self._journal.places.replays:
            if replay.output == cursor.number and not replay.over:
                await self.cancel(replay)

    def _begin(self, replay: Replay) -> None:
        if replay.number in self._tasks:  # cancelled while it was being brought to disk
            return
        task = self._tasks[replay.number] = asyncio.create_task(self._run(replay), name=f"replay {replay.number}")
        task.add_done_callback(lambda _: self._tasks.pop(replay.number, None))

    async def _run(self, replay: Replay) -> None:
        cursor = next((c for c in self._journal.cursors.values() if c.number == replay.output), None)
        if cursor is not None and not replay.over:
            log.info("replay goes on", output=cursor.name, replay=replay.number, next=replay.next, until=replay.until)
            await self._walk(replay, cursor)
            log.info("replay is over", output=cursor.name, replay=replay.number, events=replay.opened)
        replay.cancel()  # its output may be gone
        await self._forget(replay)

    async def _forget(self, replay: Replay) -> None:
        """Let go of it, once it is on disk that it is over: until then it keeps what it opened."""
        while not replay.over_on_disk:
            self._journal.moved()
            await asyncio.sleep(_LOG_SECONDS)
        self._drop(replay)

    def _drop(self, replay: Replay) -> None:
        self._journal.places.replays = [other for other in self._journal.places.replays if other is not replay]

    async def _walk(self, replay: Replay, cursor: Cursor) -> None:
        opened: list[int] = []
        due, pause = time.monotonic(), _LOOK_SECONDS
        while not replay.over and self._journal.cursors.get(cursor.name) is cursor:
            opened = [sequence for sequence in opened if cursor.is_asked_for(sequence)]
            if len(opened) >= _MOST_OPEN or cursor.next < self._journal.next:  # it may be away for days
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK_SECONDS)
                continue
            sequence = replay.next
            try:
                read = await self._journal.read(sequence)
            except OSError as error:
                log.warning(
                    "the journal can't be read for a replay; trying again", output=cursor.name, error=why(error)
                )
                await asyncio.sleep(_DISK_SECONDS)
                continue
            if not isinstance(read, Record):
                if not read.let_go:
                    count = min(read.until, replay.until) - sequence
                    log.warning("a replay passes over events that are damaged or missing", output=cursor.name,
                                replay=replay.number, sequence=sequence, count=count)  # fmt: skip
                replay.pass_to(read.until)
                continue
            wanted = replay.wants(read.blob, sequence - read.sequence)
            is_opened = wanted and self._dispatcher.again(cursor.name, sequence, replay=True)
            replay.pass_to(sequence + 1, opened=is_opened)
            self._journal.moved()
            if is_opened:
                opened.append(sequence)
                pause = _LOOK_SECONDS
                due = max(due, time.monotonic() - 1) + 1 / replay.rate
                await asyncio.sleep(due - time.monotonic())
            elif sequence % _STEPS == 0:
                await asyncio.sleep(0)  # a long stretch that nobody asked for must not hold the loop
