"""The writer: the one thread that gathers what waits, writes it with one call, syncs once, and answers all of it."""

from __future__ import annotations

import os
import queue
import sqlite3
import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any, Final

import structlog
from msgspec import Struct

from bridge.figures import Histogram
from bridge.journal.cursor import Cursor, Progress, changes_blob, now_ms
from bridge.journal.index import Index, PushRow, push_row
from bridge.journal.log import Log, Record
from bridge.journal.record import Kind, PushBlob, StateBlob, fixed_part, pack
from bridge.journal.segment import GROUP_ALIGNMENT, Found, Header, Segment, encode_header, file_name

log = structlog.get_logger("boxbridge.journal")

_GROUP_BUFFERS: Final = 256
_GROUP_BYTES: Final = 8_000_000
_INDEX_EVENTS: Final = 64
_INDEX_SECONDS: Final = 0.2
_CURSOR_SECONDS: Final = 1.0
_UNINDEXED_LIMIT: Final = 10_000
_REOPEN_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_RETENTION_SECONDS: Final = 60.0


class JournalUnavailable(Exception):
    """Nothing can be stored now; the text says why. The device should try again."""


class Stored(Struct, frozen=True):
    """What became of a push."""

    sequence: int
    duplicate: bool


class Entry(Struct, frozen=True):
    """A push on its way to the disk."""

    blob: PushBlob
    pictures: tuple[bytes, ...]
    done: Callable[[Stored | JournalUnavailable], None]
    """Called from the writer's thread once the outcome is certain."""

    @property
    def key(self) -> tuple[str, str, bytes]:
        """What makes two pushes the same."""
        return self.blob.device, self.blob.msg_id, self.blob.digest

    @property
    def count(self) -> int:
        """How many sequences it takes."""
        return max(1, len(self.blob.events))


class Limits(Struct, frozen=True, kw_only=True):
    """Sizes that tests make tiny."""

    segment_bytes: int = 64_000_000
    alignment: int = GROUP_ALIGNMENT


class FailedWrite(Exception):
    """A group is not on disk, or not surely."""


class Writer:
    """Appends groups to the newest segment. All methods but `submit`, `poke` and `stop` belong to its thread."""

    def __init__(self, journal_log: Log, index: Index, uuid: bytes, limits: Limits) -> None:
        self.log = journal_log
        self.index = index
        self.uuid = uuid
        self.limits = limits
        self.cursors: list[Cursor] = []
        self.next_number = 1
        self.closed_because: str | None = None
        """Why nothing is taken now; None while all is well."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called from the thread after each group with pushes."""
        self.housekeeping: Callable[[], None] = lambda: None
        """Retention; called from the thread now and then."""
        self.sync_seconds = Histogram()
        self.bytes_written = 0
        self._queue: queue.SimpleQueue[Entry | Callable[[], None] | None] = queue.SimpleQueue()
        self._fd = -1
        self._offset = 0
        self._unindexed: dict[tuple[str, str, bytes], int] = {}
        self._to_index: list[PushRow] = []
        self._index_due = self._cursors_due = self._reopen_due = float("inf")
        self._retention_due = time.monotonic() + _RETENTION_SECONDS
        self._reopen_tries = 0
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    # --- For other threads

    def start(self) -> None:
        """Begin taking entries."""
        self._thread.start()

    def submit(self, entry: Entry) -> None:
        """Hand over a push; its `done` is called in any case."""
        self._queue.put(entry)

    def call(self, function: Callable[[], None]) -> None:
        """Run something in the writer's thread."""
        self._queue.put(function)

    def poke(self) -> None:
        """Say that a cursor moved."""
        if self._cursors_due == float("inf"):
            self._cursors_due = time.monotonic() + _CURSOR_SECONDS
            self._queue.put(_nothing)

    def stop(self) -> None:
        """Write what waits, log the cursors, and end the thread."""
        self._queue.put(None)
        self._thread.join()
        if self._fd >= 0:
            os.close(self._fd)

    # --- The thread

    def _run(self) -> None:
        running = True
        while running:
            group, running = self._gather()
            if group:
                self._commit(group)
            self._do_what_is_due(everything=not running)

    def _gather(self) -> tuple[list[Entry], bool]:
        """What waits, up to the bounds of a group; waits for the first of it until something else is due."""
        due = min(self._index_due, self._cursors_due, self._reopen_due, self._retention_due)
        timeout = max(0.0, due - time.monotonic())
        group: list[Entry] = []
        buffers = size = 0
        while buffers < _GROUP_BUFFERS and size < _GROUP_BYTES:
            try:
                item = self._queue.get(timeout=timeout) if not group else self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, False
            if not isinstance(item, Entry):
                item()
                break
            group.append(item)
            buffers += 1 + len(item.pictures)
            size += sum(map(len, item.pictures)) + len(item.blob.body)
        return group, True

    def _do_what_is_due(self, *, everything: bool) -> None:
        now = time.monotonic()
        if self._reopen_due <= now:
            self._reopen()
        if self._cursors_due <= now or everything:
            self._log_cursors()
        if self._index_due <= now or len(self._to_index) >= _INDEX_EVENTS or (everything and self._to_index):
            self.write_index()
        if self._retention_due <= now:
            self._retention_due = now + _RETENTION_SECONDS
            self.housekeeping()

    # --- A group

    def _commit(self, group: list[Entry]) -> None:
        try:
            outcomes = self._outcomes(group)
        except JournalUnavailable as unavailable:
            outcomes = [unavailable] * len(group)
        except Exception as error:  # the thread must live on, and nobody be answered with success
            log.exception("the journal's writer failed")
            self.close_intake(f"internal error: {error}")
            outcomes = [JournalUnavailable("internal error")] * len(group)
        for entry, outcome in zip(group, outcomes, strict=True):
            entry.done(outcome)
        self.on_commit()

    def _outcomes(self, group: list[Entry]) -> Sequence[Stored | JournalUnavailable]:
        """Bring the group to disk and say what became of each push; raises JournalUnavailable."""
        if self.closed_because is not None:
            raise JournalUnavailable(self.closed_because)
        if len(self._unindexed) > _UNINDEXED_LIMIT:
            raise JournalUnavailable("the index can't be written")
        places = {entry.key: Stored(sequence, duplicate=True) for entry in group if (sequence := self._stored(entry))}
        fresh: dict[tuple[str, str, bytes], Entry] = {}
        for entry in group:
            if entry.key not in places:
                fresh.setdefault(entry.key, entry)
        if fresh:
            try:
                sequence = self._write(list(fresh.values()))
            except FailedWrite as failure:
                raise JournalUnavailable(str(failure)) from failure
            self._note_for_index(list(fresh.values()), sequence)
        return [
            places.get(entry.key) or Stored(self._unindexed[entry.key], duplicate=fresh[entry.key] is not entry)
            for entry in group
        ]

    def _stored(self, entry: Entry) -> int:
        """The sequence under which this very push lies in the log, else 0. The index's word alone is not enough."""
        candidates = [self._unindexed[entry.key]] if entry.key in self._unindexed else []
        try:
            candidates += self.index.find(*entry.key) if not candidates and self.index.is_open else []
        except sqlite3.Error as error:
            self._index_failed(error)
        for sequence in candidates:
            if not self.log.first <= sequence < self.log.next:
                continue
            try:
                record = self.log.read_blocking(sequence)
            except OSError as error:
                log.warning("a record can't be read; its push is taken as new", sequence=sequence, error=str(error))
                continue
            if isinstance(record, Record) and _key(record.blob) == entry.key:
                return record.sequence
        return 0

    def _write(self, entries: list[Entry]) -> int:
        """Bring entries and the cursors' progress to disk as one group; returns the first sequence."""
        if self._offset >= self.limits.segment_bytes:
            self._begin_or_close()
        try:
            return self._write_group(entries)
        except FailedWrite as failure:
            # What may or may not be in that file is dead by the rule: the next one begins at the same sequence.
            log.error("writing to the journal failed; going on in a new segment", error=str(failure))
        self._begin_or_close()
        try:
            return self._write_group(entries)
        except FailedWrite as failure:
            self.close_intake(str(failure))
            raise

    def _write_group(self, entries: list[Entry]) -> int:
        segment = self.log.segments[-1]
        first = sequence = self.log.next
        buffers: list[bytes] = []
        places: list[tuple[int, int]] = []
        offset = self._offset
        for entry in entries:
            tail = sum(map(len, entry.pictures))
            fixed = fixed_part(Kind.PUSH, sequence, entry.count, pack(entry.blob), tail, segment.seed)
            buffers += [fixed, *entry.pictures]
            places.append((sequence, offset))
            offset += len(fixed) + tail
            sequence += entry.count
        progress = [(cursor, cursor.progress()) for cursor in self.cursors if cursor.moved]
        if progress:
            blob = pack(changes_blob(progress))
            buffers.append(fixed_part(Kind.CHANGES, sequence, 0, blob, 0, segment.seed))
        self._append(buffers)
        for place in places:
            segment.wrote(*place)
        self.log.next = sequence
        self._cursors_logged(progress)
        return first

    def _append(self, buffers: list[bytes]) -> None:
        """Write, padded, and sync; raises FailedWrite."""
        size = sum(map(len, buffers))
        padding = -(self._offset + size) % self.limits.alignment
        if padding:
            buffers.append(bytes(padding))
        try:
            written = os.writev(self._fd, buffers)
            if written != size + padding:
                raise FailedWrite(f"only {written} of {size + padding} bytes were written: the disk is full")
            before = time.perf_counter()
            os.fdatasync(self._fd)
        except OSError as error:
            raise FailedWrite(error.strerror or str(error)) from error
        self.sync_seconds.observe(time.perf_counter() - before)
        self.bytes_written += written
        self._offset += written

    # --- Cursors

    def _cursors_logged(self, progress: list[tuple[Cursor, Progress]]) -> None:
        for cursor, made in progress:
            cursor.logged(made)
        self._cursors_due = float("inf")
        if any(cursor.moved for cursor in self.cursors):
            self._cursors_due = time.monotonic() + _CURSOR_SECONDS

    def _log_cursors(self) -> None:
        self._cursors_due = float("inf")
        if self.closed_because is None and any(cursor.moved for cursor in self.cursors):
            try:
                self._write([])
            except FailedWrite as failure:
                log.error("the outputs' progress could not be logged", error=str(failure))

    # --- Segments

    def begin_segment(self) -> None:
        """Make the next segment, with the whole state at its head; raises FailedWrite and leaves the old one."""
        number = max((segment.number for segment in self.log.segments), default=0) + 1
        path = self.log.folder / file_name(number)
        header = Header(self.uuid, number, self.log.next, now_ms())
        try:
            path.unlink(missing_ok=True)  # left over from a try that failed before anything in it was answered
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise FailedWrite(f"{path}: {error.strerror}") from error
        segment = Segment(path, header, fresh=True)
        state = pack(StateBlob(self.next_number, tuple(cursor.entry() for cursor in self.cursors)))
        old = self._fd, self._offset
        self._fd, self._offset = fd, 0
        try:
            self._append([encode_header(header), fixed_part(Kind.STATE, header.base, 0, state, 0, segment.seed)])
            sync_folder(self.log.folder)
        except (FailedWrite, OSError) as error:
            os.close(fd)
            self._fd, self._offset = old
            raise FailedWrite(f"{path}: {error}") from error
        if old[0] >= 0:
            os.close(old[0])
        self.log.add(segment)

    def copy(self, salvage: list[tuple[Segment, Found]]) -> None:
        """Write proven records of a file that can't be synced again, under their own sequences; raises FailedWrite."""
        segment = self.log.segments[-1]
        for source, found in salvage:
            tail_offset = found.offset + found.prefix.size - found.prefix.tail_size
            tail = source.read(tail_offset, found.prefix.tail_size, wait=True)
            prefix = found.prefix
            offset = self._offset
            self._append(
                [fixed_part(Kind.PUSH, prefix.sequence, prefix.count, found.blob, len(tail), segment.seed), tail]
            )
            segment.wrote(prefix.sequence, offset)
            self.log.next = prefix.sequence + prefix.count

    def _begin_or_close(self) -> None:
        try:
            self.begin_segment()
        except FailedWrite as failure:
            self.close_intake(str(failure))
            raise

    def close_intake(self, reason: str) -> None:
        """Take nothing more until a new segment can be made; what is on disk is still delivered."""
        if self.closed_because is None:
            log.error("the journal takes nothing more; devices are told to try again", error=reason)
        self.closed_because = reason
        self._reopen_due = time.monotonic() + _REOPEN_SECONDS[min(self._reopen_tries, len(_REOPEN_SECONDS) - 1)]
        self._reopen_tries += 1

    def _reopen(self) -> None:
        self._reopen_due = float("inf")
        try:
            self.begin_segment()
        except FailedWrite as failure:
            self.close_intake(str(failure))
            return
        log.info("the journal takes pushes again", after_tries=self._reopen_tries)
        self.closed_because = None
        self._reopen_tries = 0
        self.poke()

    # --- Index

    def _note_for_index(self, entries: list[Entry], sequence: int) -> None:
        for entry in entries:
            self._unindexed[entry.key] = sequence
            self._to_index.append(push_row(sequence, entry.blob))
            sequence += entry.count
        self._index_due = min(self._index_due, time.monotonic() + _INDEX_SECONDS)

    def write_index(self) -> None:
        """Bring the index up to date; where that fails it is tried again."""
        self._index_due = float("inf")
        try:
            if not self.index.is_open:
                self.index.open()
            self.index.add(self._to_index, self.log.next)
            self.index.checkpoint_when_large()
        except sqlite3.Error as error:
            self._index_failed(error)
            return
        self._to_index.clear()
        self._unindexed.clear()

    def _index_failed(self, error: Exception) -> None:
        log.warning("the index can't be used; trying again", error=str(error), waiting=len(self._to_index))
        self._index_due = time.monotonic() + 5 * _CURSOR_SECONDS


def _key(blob: PushBlob) -> tuple[str, str, bytes]:
    return blob.device, blob.msg_id, blob.digest


def _nothing() -> None:
    """Wake the thread, so that it looks at what is due."""


def sync_folder(folder: Any) -> None:
    """Make the names in a folder durable; raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
