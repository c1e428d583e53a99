"""The journal: append, dedupe by key, and a cursor for each output. The face of the room; the work is next door."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import structlog

from bridge.errors import FileTrouble
from bridge.event import Event, encode_document
from bridge.figures import Histogram
from bridge.journal.cursor import Cursor
from bridge.journal.index import EventRow, Index, find_events
from bridge.journal.log import Log, Lost, Record
from bridge.journal.record import EventEntry, OutputEntry, PictureEntry, PushBlob, checksum, to_milliseconds
from bridge.journal.recovery import bring_index_up_to_date, recover
from bridge.journal.retention import Keep, retain
from bridge.journal.segment import NewerFormat
from bridge.journal.writer import Entry, FailedWrite, JournalUnavailable, Limits, Stored, Writer, sync_folder
from bridge.normalizer import Cutout, Parsed, Push

log = structlog.get_logger("boxbridge.journal")

__all__ = ["Cursor", "Journal", "JournalUnavailable", "Keep", "Limits", "Lost", "Record", "Stored"]

From = Literal["now", "oldest"]


class Journal:
    """One folder of segments and an index. `open` and `close` belong to the thread of the event loop."""

    def __init__(self, folder: Path, keep: Keep, limits: Limits | None = None) -> None:
        self.folder = folder
        self.keep = keep
        self.limits = limits or Limits()
        self.log = Log(folder)
        self.cursors: dict[str, Cursor] = {}
        """By the output's name; those of outputs that are no longer configured too."""
        self.parked: list[Cursor] = []
        """Cursors of outputs that are no longer configured: what waits for them is kept for `keep_dead`."""
        self.on_append: list[Callable[[], None]] = []
        """Called on the event loop when there is something new to read."""
        self._writer: Writer
        self._index: Index
        self._lock = -1
        self._answers: list[tuple[asyncio.Future[Stored], Stored | JournalUnavailable]] = []
        self._loop: asyncio.AbstractEventLoop

    # --- Opening and closing

    async def open(self, outputs: Mapping[str, From]) -> None:
        """Recover what is there, begin a new segment, and start the writer; raises FileTrouble.

        `outputs`: the configured ones, and where one that is new begins.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open, outputs)

    def _open(self, outputs: Mapping[str, From]) -> None:
        began = time.monotonic()
        self._lock = lock_folder(self.folder)
        try:
            proven = recover(self.log)
        except NewerFormat as error:
            raise FileTrouble(f"{error}; start the newer version, or set the folder aside") from error
        except OSError as error:
            raise FileTrouble(f"the journal in {self.folder} can't be read: {error}") from error
        self._index = Index(self.folder / "index.sqlite", proven.uuid)
        bring_index_up_to_date(self.log, self._index, self._say_progress)
        self._writer = Writer(self.log, self._index, proven.uuid, self.limits)
        self._writer.next_number = proven.next_number
        self._writer.on_commit = self._committed
        self._writer.housekeeping = self._retain
        self._place_cursors(proven.outputs, outputs)
        try:
            self._writer.begin_segment()
            self._writer.copy(proven.salvage)
        except FailedWrite as error:
            # Deliveries go on and devices are told to try again, until the disk takes something.
            self._writer.close_intake(str(error))
        self._writer.start()
        log.info("journal open", segments=len(self.log.segments), next=self.log.next, seconds=_since(began))

    def _place_cursors(self, known: list[OutputEntry], outputs: Mapping[str, From]) -> None:
        for entry in known:
            self.cursors[entry.name] = Cursor(entry)
        for name, from_ in outputs.items():
            if name not in self.cursors:
                self._new_cursor(name, from_)
        self._writer.cursors = list(self.cursors.values())
        self.configure(outputs)

    def _new_cursor(self, name: str, from_: From) -> None:
        start = self.log.first if from_ == "oldest" else self.log.next
        self.cursors[name] = Cursor(OutputEntry(self._writer.next_number, name, start, start))
        self._writer.next_number += 1

    def _say_progress(self, sequence: int) -> None:
        log.info("reading events into the index", reached=sequence, of=self.log.next)

    def configure(self, outputs: Iterable[str]) -> None:
        """Say which outputs are configured now; the rest are parked."""
        names = set(outputs)
        self.parked = [cursor for cursor in self.cursors.values() if cursor.name not in names]

    async def place_output(self, name: str, from_: From) -> Cursor:
        """The cursor of an output, made where it is new, as after a reload; it is on disk when this returns."""
        if name not in self.cursors:
            self._new_cursor(name, from_)
            self._writer.cursors = list(self.cursors.values())
            await self.in_writer(self._writer.begin_segment)
        return self.cursors[name]

    async def in_writer(self, function: Callable[[], None]) -> None:
        """Run something in the writer's thread and wait for it."""
        done = self._loop.create_future()

        def run() -> None:
            error: Exception | None = None
            try:
                function()
            except (FailedWrite, OSError) as failure:
                error = failure
            self._loop.call_soon_threadsafe(_resolve, done, error)

        self._writer.call(run)
        await done

    async def close(self) -> None:
        """Write what waits, log where the outputs stand, and close all files."""
        await asyncio.to_thread(self._writer.stop)
        self._index.close()
        self.log.close()
        os.close(self._lock)

    # --- Appending

    async def append(self, push: Push, parsed: Parsed, events: tuple[Event, ...]) -> Stored:
        """Bring a push to disk; returns once it surely is there. Raises JournalUnavailable when it can't be."""
        answer: asyncio.Future[Stored] = self._loop.create_future()
        blob, pictures = _blob(push, parsed, events)
        self._writer.submit(Entry(blob, pictures, lambda outcome: self._answers.append((answer, outcome))))
        return await answer

    def _committed(self) -> None:
        self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        answers, self._answers = self._answers, []
        for answer, outcome in answers:
            if answer.done():
                continue
            if isinstance(outcome, Stored):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)
        for tell in self.on_append:
            tell()

    # --- Reading

    async def read(self, sequence: int) -> Record | Lost:
        """The push that holds this sequence, which must be below `next`; raises OSError."""
        return await self.log.read(sequence)

    async def find(self, what: str) -> list[EventRow]:
        """Events by id, the beginning of an id, or msg_id; raises sqlite3.Error."""
        await self.in_writer(self._writer.write_index)  # it lags behind, and people ask for what just came
        return await asyncio.to_thread(find_events, self._index.path, what)

    @property
    def next(self) -> int:
        """The next sequence to be given."""
        return self.log.next

    def moved(self) -> None:
        """Say that a cursor moved, so that it is logged within a second or with the next push."""
        self._writer.poke()

    # --- Figures

    @property
    def closed_because(self) -> str | None:
        """Why no push is taken now; None while all is well."""
        return self._writer.closed_because

    @property
    def sync_seconds(self) -> Histogram:
        """How long syncs took."""
        return self._writer.sync_seconds

    @property
    def bytes_written(self) -> int:
        """Bytes written into segments since the start."""
        return self._writer.bytes_written

    def _retain(self) -> None:
        deleted = retain(self.log, self._index, list(self.cursors.values()), self.parked, self.keep)
        if deleted:
            log.info("segments deleted that every output is done with", count=deleted, first=self.log.first)


def _blob(push: Push, parsed: Parsed, events: tuple[Event, ...]) -> tuple[PushBlob, tuple[bytes, ...]]:
    """The record of a push, and its pictures, each once."""
    pictures = {cutout.sha256: cutout for cutout in parsed.pictures}
    numbers = {sha256: number for number, sha256 in enumerate(pictures)}
    body, cuts = _cut(push.body, parsed.pictures, numbers)
    blob = PushBlob(
        received=to_milliseconds(push.received),
        device=parsed.key.device,
        msg_id=parsed.key.msg_id,
        digest=parsed.key.digest,
        message=parsed.message,
        peer=push.peer,
        method=push.method,
        path=push.path,
        query=push.query,
        content_type=push.headers.get("content-type", ""),
        events=tuple(
            EventEntry(
                event.id,
                event.kind,
                event.device.id,
                event.channel.id,
                to_milliseconds(event.occurred),
                encode_document(event),
            )
            for event in events
        ),
        body=body,
        cuts=cuts,
        pictures=tuple(PictureEntry(len(c.data), checksum(c.data), c.sha256) for c in pictures.values()),
    )
    return blob, tuple(cutout.data for cutout in pictures.values())


def _cut(
    body: bytes, pictures: tuple[Cutout, ...], numbers: Mapping[str, int]
) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """The body without the base64 of its pictures, and where each one belongs."""
    spans = sorted((cutout.span, numbers[cutout.sha256]) for cutout in pictures if cutout.span is not None)
    pieces: list[bytes] = []
    cuts: list[tuple[int, int]] = []
    start = place = 0
    for (begin, end), number in spans:
        pieces.append(body[start:begin])
        place += begin - start
        cuts.append((place, number))
        start = end
    pieces.append(body[start:])
    return b"".join(pieces), tuple(cuts)


def _resolve(done: asyncio.Future[None], error: Exception | None) -> None:
    if not done.done():
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def lock_folder(folder: Path) -> int:
    """Make the folder if need be and lock it for this process; raises FileTrouble, naming who has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        sync_folder(folder.parent)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        remedy = "make it, or give the user who runs boxbridge the right to write there"
        raise FileTrouble(f"{error.filename or folder}: {error.strerror}; {remedy}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise FileTrouble(f"{folder} is in use by process {owner}: stop it first, or set another `data`") from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
