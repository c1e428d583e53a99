"""The writer: the one thread that gathers what waits, writes it with one call, syncs once, and answers all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Final

import structlog
from msgspec import Struct

from bridge.journal.failpoint import failpoint
from bridge.journal.known import Known
from bridge.journal.log import Log
from bridge.journal.places import Places
from bridge.journal.quota import Room
from bridge.journal.record import Kind, fixed_part, pack
from bridge.journal.tail import FailedWrite, Tail
from bridge.journal.waiting import END, WAKE, Entry, Job, Waiting

log = structlog.get_logger("boxbridge.journal")

_CURSOR_SECONDS: Final = 1.0
_REOPEN_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_RETENTION_SECONDS: Final = 60.0
_FULL_SECONDS: Final = 1.0  # while there is no room
_NEVER: Final = float("inf")


class JournalUnavailable(Exception):
    """Nothing can be stored now; the text says why. The device should try again."""


class Stored(Struct, frozen=True):
    """What became of a push."""

    sequence: int
    duplicate: bool


Outcome = Stored | JournalUnavailable


class Writer:
    """Appends groups to the log. All methods but the first few belong to its thread."""

    def __init__(
        self,
        journal_log: Log,
        known: Known,
        tail: Tail,
        room: Room,
        places: Places,
        *,
        answer: Callable[[list[tuple[Entry, Outcome]]], None],
        housekeeping: Callable[[], None],
        held: Callable[[], str],
    ) -> None:
        """Make it ready to start.

        answer: called from the thread once the outcome of a group is certain. housekeeping: retention; called from the
        thread now and then, and before each try to take pushes again. held: who holds what is in the log, for a
        sentence that says that it is full.
        """
        self.log = journal_log
        self.known = known
        self.tail = tail
        self.room = room
        self.places = places
        self.closed_because: str | None = None
        """Why nothing is taken now; None while all is well."""
        self.answer = answer
        self.housekeeping = housekeeping
        self.held = held
        self._waiting = Waiting()
        self._cursors_due = self._reopen_due = _NEVER
        self._retention_due = time.monotonic() + _RETENTION_SECONDS
        self._tries = 0
        self._written: tuple[int, Sequence[Entry]] = 0, ()
        """Where the pushes begin that are on disk and not yet known, and these."""
        self._ended = False
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    # --- For other threads

    def start(self) -> None:
        """Begin taking entries."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it takes entries and jobs."""
        return self._thread.is_alive()

    def submit(self, *items: Entry | Job) -> None:
        """Hand over pushes, or something to do; each is answered in any case."""
        self._waiting.put(*items)
        if not self._thread.is_alive():
            self._refuse_rest()

    def poke(self) -> None:
        """Say that a cursor moved."""
        if self._cursors_due == _NEVER:
            self._cursors_due = time.monotonic() + _CURSOR_SECONDS
            self._waiting.put(WAKE)

    def stop(self) -> None:
        """Write what waits, log the cursors, and end the thread; what is submitted later is refused."""
        self._waiting.put(END)
        self._thread.join()
        self._refuse_rest()
        self.tail.close()
        self.known.close()

    def _refuse_rest(self) -> None:
        """Answer what came too late, or would wait for a thread that is gone."""
        stopped = JournalUnavailable("boxbridge is stopping")
        for item in self._waiting.rest():
            if isinstance(item, Entry):
                self.answer([(item, stopped)])
            else:
                item.done(stopped)

    # --- The thread

    def _run(self) -> None:
        while not self._ended:
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - the thread must live on: without it nobody is ever answered
                self._failed_within(error)

    def _turn(self) -> None:
        """One group, one job, and what is due then; all that can be at the end."""
        due = min(self.known.due, self._cursors_due, self._reopen_due, self._retention_due)
        group, item = self._waiting.gather(due, self.tail.last_sync_seconds)
        self._ended = item is END
        if group:
            self._commit(group)
            self.tail.uncache()
        if isinstance(item, Job):
            _do(item)
        self._do_what_is_due(_NEVER if self._ended else time.monotonic())

    def _do_what_is_due(self, now: float) -> None:
        if self._reopen_due <= now < _NEVER:
            self._reopen()
        if self._retention_due <= now < _NEVER:
            self._retention_due = now + (_FULL_SECONDS if self.room.full_because else _RETENTION_SECONDS)
            self._look_for_room()
            if self._cursors_due == _NEVER:  # else each look would put off what is due, while there is no room
                self._note_moves(at_leisure=True)
        if self._cursors_due <= now:
            self._log_cursors()
        if self.known.due <= now:
            self.known.do_what_is_due(now)

    def _failed_within(self, error: Exception) -> None:
        log.error("the journal's writer failed; this is a fault of boxbridge", exc_info=error)
        self.close_intake(f"internal error: {error}")

    # --- A group

    def _commit(self, group: list[Entry]) -> None:
        outcomes: list[Outcome]
        try:
            outcomes = self._outcomes(group)
            failpoint("group to be answered")
        except JournalUnavailable as unavailable:
            outcomes = [JournalUnavailable(str(unavailable)) for _ in group]
        except Exception as error:  # noqa: BLE001 - nobody must be answered with success, nor wait for ever
            self._failed_within(error)
            outcomes = [JournalUnavailable("internal error, see the log") for _ in group]
        try:
            self.answer(list(zip(group, outcomes, strict=True)))
            failpoint("group answered")
        finally:  # the index is never to say that it goes further than what it was told of
            self._note_written()

    def _note_written(self) -> None:
        """Make known what is on disk now, once its senders are answered: that can wait, and they do not have to."""
        first, entries = self._written
        self._written = 0, ()
        if entries:
            self.known.note(first, (entry.blob for entry in entries))

    def _outcomes(self, group: list[Entry]) -> list[Outcome]:
        """Bring the group to disk and say what became of each push; raises JournalUnavailable."""
        if self.closed_because is not None:
            raise JournalUnavailable(self.closed_because)
        if self.known.full:
            raise JournalUnavailable("the index can't be written")
        failpoint("group taken")
        first = sequence = self.log.next
        known = self.known.find([entry.blob.key for entry in group])
        fresh: list[Entry] = []
        outcomes: list[Outcome] = []
        for entry in group:
            key = entry.blob.key
            duplicate = key in known
            if not duplicate:
                known[key] = sequence
                sequence += entry.blob.count
                fresh.append(entry)
            outcomes.append(Stored(known[key], duplicate))
        if fresh:
            self._write(fresh)
            self._written = first, fresh
        return outcomes

    def look_again(self) -> None:
        """Do the housekeeping soon again: it does a little at a time, since pushes wait meanwhile."""
        self._retention_due = min(self._retention_due, time.monotonic() + _FULL_SECONDS)

    def _look_for_room(self) -> None:
        """Do the housekeeping. Where it is not enough, what is in the newest segment may go once another is begun."""
        self.housekeeping()
        is_worth_it = self.tail.offset >= self.room.segment_bytes and self.tail.spare.is_there
        if not self.room.short or not is_worth_it or self.closed_because is not None:
            return
        self._try_to_begin()
        self.housekeeping()

    def _admit(self, entries: list[Entry]) -> None:
        """Make sure that there is room for entries; raises JournalUnavailable."""
        size = sum(entry.size for entry in entries)
        if not size or self.room.has(size):
            return
        if self.room.full_because is None:
            self._look_for_room()
            if self.closed_because is not None:
                raise JournalUnavailable(self.closed_because)
            if self.room.has(size):
                return
            self.room.refuse(size, self.held())
            self.look_again()
        raise JournalUnavailable(self.room.full_because)

    def _write(self, entries: list[Entry]) -> None:
        """Bring entries and the cursors' progress to disk as one group; raises JournalUnavailable."""
        try:
            if self.tail.offset >= self.room.segment_bytes:
                self.begin_segment()
                self._retention_due = 0.0
            self._admit(entries)
            try:
                self._write_group(entries)
            except FailedWrite as failure:
                # What may or may not be in that file is dead by the rule: the next one begins at the same sequence.
                log.error("writing to the journal failed; going on in a new segment", error=str(failure))
                self.begin_segment()
                self._admit(entries)
                self._write_group(entries)
        except FailedWrite as failure:
            self.close_intake(str(failure))
            raise JournalUnavailable(str(failure)) from failure

    def _write_group(self, entries: list[Entry]) -> None:
        segment = self.log.segments[-1]
        sequence, offset = self.log.next, self.tail.offset
        began = offset
        moves = self.places.moves()
        changes = moves.blob() if moves else None
        buffers: list[bytes] = []
        if changes is not None:
            buffers.append(fixed_part(Kind.CHANGES, sequence, 0, pack(changes), 0, segment.seed))
            offset += len(buffers[0])
        offsets: list[tuple[int, int]] = []
        for entry in entries:
            count, tail_size = entry.blob.count, sum(map(len, entry.pictures))
            fixed = fixed_part(Kind.PUSH, sequence, count, entry.packed, tail_size, segment.seed)
            buffers += fixed, *entry.pictures
            offsets.append((sequence, offset))
            sequence += count
            offset += len(fixed) + tail_size
        failpoint("group packed")
        self.tail.append(buffers)
        for written in offsets:
            segment.note(*written)
        self.log.next = sequence
        failpoint("group in the log")
        self.room.take(self.tail.offset - began)
        if changes is not None:
            self.places.logged(moves)
            failpoint("moves logged")
            self.known.note_history(changes)
        self._note_moves()

    # --- Cursors

    def _note_moves(self, *, at_leisure: bool = False) -> None:
        """See to it that what moved is logged within a second. `at_leisure`: what can wait for others too."""
        self._cursors_due = _NEVER
        if self.places.moved or (at_leisure and self.places.notes.waiting):
            self._cursors_due = time.monotonic() + _CURSOR_SECONDS

    def _log_cursors(self) -> None:
        self._cursors_due = _NEVER
        if self.closed_because is not None:
            self.places.fold()
        elif self.places.moved or self.places.notes.waiting:
            try:
                self._write([])
            except JournalUnavailable as failure:
                log.error("the outputs' progress could not be logged", error=str(failure))

    def write_all(self) -> None:
        """Bring to disk, and into the index, what is only known in memory: people ask for what has just happened."""
        self._log_cursors()
        self.known.write_index()
        self._note_moves()

    # --- Opening and closing the intake

    def begin_segment(self) -> None:
        """Begin the next segment; raises FailedWrite."""
        self.tail.begin(self.places.state())
        self.room.measure()

    def open_intake(self) -> None:
        """Begin a new segment and take pushes; where the disk does not let it, refuse them and try again later."""
        if not self._try_to_begin():
            return
        if self.closed_because is not None:
            log.info("the journal takes pushes again", tries=self._tries)
        self.closed_because = None
        self._tries = 0

    def _try_to_begin(self) -> bool:
        """Begin the next segment, or close the intake; returns whether it was begun."""
        try:
            self.begin_segment()
        except FailedWrite as failure:
            self.close_intake(str(failure))
            return False
        return True

    def close_intake(self, reason: str) -> None:
        """Take nothing more until a new segment can be made; what is on disk is still delivered."""
        if self.closed_because is None:
            log.error("the journal takes nothing more; devices are told to try again", error=reason)
        self.closed_because = reason
        self.tail.close()
        self._reopen_due = time.monotonic() + _REOPEN_SECONDS[min(self._tries, len(_REOPEN_SECONDS) - 1)]
        self._tries += 1

    def _reopen(self) -> None:
        self._reopen_due = _NEVER
        failpoint("intake to be opened again")
        self.housekeeping()
        self.open_intake()
        self._note_moves()


def _do(job: Job) -> None:
    try:
        job.run()
    except Exception as error:  # noqa: BLE001 - handed on to who asked
        job.done(error)
    else:
        job.done(None)
