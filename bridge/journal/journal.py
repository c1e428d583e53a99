"""The journal: append, dedupe by key, and a cursor for each output. The face of the room; the work is next door."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import structlog
from msgspec import Struct

from bridge.errors import FileTrouble, why
from bridge.event import Event
from bridge.figures import Histogram
from bridge.journal.backlog import Holder, holder
from bridge.journal.blob import blob_of, record_of
from bridge.journal.clock import Clock
from bridge.journal.cursor import Cursor, now_ms
from bridge.journal.folder import INDEX
from bridge.journal.index import Index
from bridge.journal.known import Known
from bridge.journal.lock import lock_folder
from bridge.journal.log import Log, Lost
from bridge.journal.places import Places
from bridge.journal.push import Record
from bridge.journal.questions import EventRow, ask, find_events
from bridge.journal.quota import Outlook, Room
from bridge.journal.record import OutputEntry, pack
from bridge.journal.recovery import Proven, recover
from bridge.journal.replay import Replay
from bridge.journal.retention import Keep, is_sure, retain
from bridge.journal.rewrite import remove_unfinished
from bridge.journal.segment import NewerFormat
from bridge.journal.spare import trim
from bridge.journal.tail import Limits, Tail
from bridge.journal.thinning import Thinning, merge
from bridge.journal.waiting import Entry, Job
from bridge.journal.writer import JournalUnavailable, Outcome, Stored, Writer
from bridge.normalizer import Parsed, Push

log = structlog.get_logger("boxbridge.journal")

__all__ = ["Cursor", "Journal", "JournalUnavailable", "Keep", "Limits", "Lost", "Record", "Stored"]

From = Literal["now", "oldest"]
_Answer = TypeVar("_Answer")


class _Waiting(Struct, frozen=True):
    """Who waits for a push to be stored, and its events, which need not be read again."""

    answer: asyncio.Future[Stored]
    events: tuple[Event, ...]


class Journal:
    """One folder of segments and an index. `open` and `close` belong to the thread of the event loop."""

    def __init__(self, folder: Path, keep: Keep, limits: Limits | None = None) -> None:
        self.folder = folder
        self.keep = keep
        self.limits = limits or Limits()
        self.log = Log(folder)
        self._clock = Clock(folder)
        self.cursors: dict[str, Cursor] = {}
        """By the output's name; those of outputs that are no longer configured too."""
        self.places = Places()
        """All that the log tells of outputs, and where to note what it shall tell."""
        self.on_append: list[Callable[[], None]] = []
        """Called on the event loop when there is something new to read."""
        self.room: Room
        """What it takes of its disk, once it is open."""
        self._arrived: list[Entry] = []
        """Pushes that the writer was not yet given."""
        self._expected = 0
        """How many were answered together last, where it was more than one."""
        self._configured: set[str] = set()
        self._index = folder / INDEX
        self._writer: Writer
        self._lock = -1
        self._loop: asyncio.AbstractEventLoop
        self._next = 1

    # --- Opening and closing

    def lock(self) -> None:
        """Keep other processes out; raises FileTrouble, naming who is in. `open` does so by itself."""
        if self._lock < 0:
            self._lock = lock_folder(self.folder)

    def unlock(self) -> None:
        """Let others in; `close` does so by itself."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def open(self, outputs: Mapping[str, From]) -> None:
        """Recover what is there, begin a new segment, and start the writer; raises FileTrouble.

        `outputs`: the configured ones, and where one that is new begins.
        """
        self._loop = asyncio.get_running_loop()
        self.lock()
        try:
            await asyncio.to_thread(self._open, outputs)
        except BaseException:
            self.unlock()
            raise
        self._next = self.log.next
        self._writer.start()

    def _open(self, outputs: Mapping[str, From]) -> None:
        began = time.monotonic()
        try:
            proven = recover(self.log)
        except NewerFormat as error:
            raise FileTrouble(f"{error}; start the newer version, or set the folder aside") from error
        except OSError as error:
            raise FileTrouble(f"the journal in {self.folder} can't be read: {why(error)}") from error
        remove_unfinished(self.folder)
        for newest in self.log.segments[-1:]:
            trim(newest.path)
        known = Known(self.log, Index(self._index, proven.uuid))
        known.write_index()
        tail = Tail(self.log, proven.uuid, self.limits, proven.unsynced)
        self.room = Room(self.log, tail.spare, self.limits.segment_bytes)
        self._writer = Writer(
            self.log,
            known,
            tail,
            self.room,
            self.places,
            answer=self._answer_soon,
            housekeeping=self._retain,
            held=self._held,
        )
        self._place_cursors(proven, outputs)
        self._measure()
        self._writer.open_intake()
        log.info("journal open", segments=len(self.log.segments), next=self.log.next, seconds=_since(began))

    def _place_cursors(self, proven: Proven, outputs: Mapping[str, From]) -> None:
        self.places.next_number = proven.next_number
        self.places.replays = [Replay(entry) for entry in proven.replays]
        for entry in proven.outputs:
            self.cursors[entry.name] = Cursor(entry)
        for name, from_ in outputs.items():
            if name not in self.cursors:
                self._new_cursor(name, from_ if proven.all_outputs else "oldest")
        self.places.outputs = list(self.cursors.values())
        self.configure(outputs)

    def _new_cursor(self, name: str, from_: From) -> None:
        start = self.log.first if from_ == "oldest" else self.log.next
        self.cursors[name] = Cursor(OutputEntry(self.places.new_number(), name, start, start))

    def configure(self, outputs: Iterable[str]) -> None:
        """Say which outputs are configured now; the rest are parked. What each may hold back is taken from `keep`."""
        self._configured = set(outputs)
        if self._note_configured() and self._writer.is_running:
            self._writer.submit(Job(self._writer.open_intake, lambda _: None))  # the next segment's state has it

    def _note_configured(self) -> bool:
        """Have each cursor say what the configuration says of its output; returns whether that is new."""
        changed = False
        for cursor in self.cursors.values():
            removed = 0 if cursor.name in self._configured else cursor.removed or now_ms()
            backlog = self.keep.backlog.get(cursor.name, cursor.backlog)
            changed = changed or (removed, backlog) != (cursor.removed, cursor.backlog)
            cursor.removed, cursor.backlog = removed, backlog
        return changed

    @property
    def parked(self) -> list[Cursor]:
        """Cursors of outputs that are no longer configured: they hold back what their `backlog` says."""
        return [cursor for cursor in list(self.cursors.values()) if cursor.name not in self._configured]

    async def place_output(self, name: str, from_: From) -> Cursor:
        """The cursor of an output, made where it is new, as after a reload.

        It is on disk when this returns, or else the journal takes no push until it is.
        """
        if name not in self.cursors:
            self._new_cursor(name, from_)
            await self._begin_segment()
        return self.cursors[name]

    async def write_state(self) -> None:
        """Bring it to disk which outputs and replays there are and where they stand.

        Raises JournalUnavailable; then it is still in force, and the journal takes no push until it is on disk.
        """
        await self._begin_segment()
        self._see_it_written()

    async def _begin_segment(self) -> None:
        self.places.outputs = list(self.cursors.values())
        await self._in_writer(self._writer.open_intake)

    def _see_it_written(self) -> None:
        if self.failed_because is not None:
            raise JournalUnavailable(self.failed_because)

    async def rename_output(self, old: str, new: str) -> None:
        """Give the place of an output to another name; one that has a place already gives it up.

        Raises JournalUnavailable as `write_state` does.
        """
        cursor = self.cursors.pop(old)
        cursor.name = new
        self.cursors[new] = cursor
        self._note_configured()
        await self.write_state()

    async def forget_output(self, name: str) -> None:
        """Let go of an output that is no longer configured, and of all that is kept for it; raises as `write_state`."""
        del self.cursors[name]
        await self.write_state()

    async def _in_writer(self, function: Callable[[], None]) -> None:
        """Run something in the writer's thread and wait for it."""
        done: asyncio.Future[None] = self._loop.create_future()

        def resolve(error: Exception | None) -> None:
            self._loop.call_soon_threadsafe(_resolve, done, error)

        self._writer.submit(Job(function, resolve))
        await done

    async def close(self) -> None:
        """Write what waits, log where the outputs stand, and close all files."""
        self._hand_over()
        await asyncio.to_thread(self._writer.stop)
        self.log.close()
        self.unlock()

    # --- Appending

    async def append(self, push: Push, parsed: Parsed, events: tuple[Event, ...]) -> Stored:
        """Bring a push to disk; returns once it surely is there. Raises JournalUnavailable when it can't be."""
        waiting = _Waiting(self._loop.create_future(), events)
        blob, pictures = blob_of(push, parsed, events)
        packed = pack(blob)
        size = len(packed) + sum(map(len, pictures))
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(Entry(blob, packed, pictures, size, waiting))
        if len(self._arrived) == self._expected:
            self._hand_over()
        return await waiting.answer

    def _hand_over(self) -> None:
        """Give the writer what came in one turn of the loop, at once: it would else begin a group with the first.

        At the turn's end, or as soon as all are there that were answered together: they push together again.
        """
        arrived, self._arrived = self._arrived, []
        self._writer.submit(*arrived)

    def _answer_soon(self, answers: list[tuple[Entry, Outcome]]) -> None:
        self._loop.call_soon_threadsafe(self._answer, answers)

    def _answer(self, answers: list[tuple[Entry, Outcome]]) -> None:
        self._expected = len(answers) if len(answers) > 1 else 0
        self.log.let_go(cursor.next for name, cursor in self.cursors.items() if name in self._configured)
        for entry, outcome in answers:
            if isinstance(outcome, Stored) and not outcome.duplicate:
                self.log.written(record_of(outcome.sequence, entry))
                self._next = max(self._next, outcome.sequence + entry.blob.count)
            answer = entry.waiting.answer
            if answer.done():
                continue
            if isinstance(outcome, Stored):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)
        for tell in self.on_append:
            tell()

    # --- Reading

    def at_hand(self, sequence: int) -> Record | None:
        """The push that holds this sequence, where it need not be read: it has just come."""
        return self.log.at_hand(sequence)

    async def read(self, sequence: int) -> Record | Lost:
        """The push that holds this sequence, which must be below `next`; raises OSError."""
        return await self.log.read(sequence)

    async def write_all(self) -> None:
        """Bring to disk, and into the index, what is only known in memory; raises JournalUnavailable."""
        await self._in_writer(self._writer.write_all)
        self._see_it_written()

    async def ask(self, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Put one of the `questions` to the index; raises sqlite3.Error."""
        await self._in_writer(self._writer.write_all)  # it lags behind
        return await asyncio.to_thread(ask, self._index, question)

    async def find(self, what: str) -> list[EventRow]:
        """Events by what people know of them, as `find_events` says; raises sqlite3.Error."""
        return await self.ask(lambda index: find_events(index, what))

    @property
    def next(self) -> int:
        """The sequence after the last that was answered: lanes get nothing before its sender hears of it."""
        return self._next

    def moved(self) -> None:
        """Say that a cursor moved, so that it is logged within a second or with the next push."""
        self._writer.poke()

    # --- Figures

    @property
    def closed_because(self) -> str | None:
        """Why no push is taken now; None while all is well."""
        return self.failed_because or self.room.full_because

    @property
    def failed_because(self) -> str | None:
        """Why nothing can be brought to disk now; None while what people decide can, however full it is."""
        return self._writer.closed_because

    @property
    def sync_seconds(self) -> Histogram:
        """How long syncs took."""
        return self._writer.tail.sync_seconds

    def _retain(self) -> None:
        self._measure()
        now, written = now_ms(), self._writer.tail.synced_at if self._clock.is_sure() else 0
        deleted = retain(
            self.log,
            list(self.cursors.values()),
            self.keep,
            now=now,
            written=written,
            closed=self._writer.closed_because is not None,
            short=self.room.short,
            replays=self.places.replays,
        )
        if deleted:
            log.info("segments deleted that every output is done with", count=deleted, first=self.log.first)
            self._writer.known.forget(self.log.first)
            self._measure()
        self._thin(now if is_sure(now, written) else 0)

    def _thin(self, age_since: int) -> None:
        thinning = Thinning(self.log, list(self.cursors.values()), self.keep, self.places.replays)
        rewritten = thinning.thin(age_since, self.room.short) or merge(self.log, self.limits.segment_bytes)
        if rewritten:
            log.info("segments rewritten without what is no longer to be kept", count=rewritten)
            self._loop.call_soon_threadsafe(self.log.forget_read)
            self._measure()
            self._writer.look_again()

    @property
    def written(self) -> dict[str, int]:
        """Bytes written since the start, to the log and to the index: what a card or disk wears by."""
        return {"log": self._writer.tail.written, "index": self._writer.known.bytes_written}

    def outlook(self) -> Outlook:
        """How much room there is, and for how long."""
        return self.room.outlook(list(self.cursors.values()), now_ms())

    def holder(self) -> Holder | None:
        """Which output holds the oldest part of the log."""
        return holder(self.log, list(self.cursors.values()))

    def _held(self) -> str:
        held_by = self.holder()
        return f", held by {held_by}" if held_by else ""

    def _measure(self) -> None:
        self.room.quota = self.keep.quota
        self.room.measure()


def _resolve(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
