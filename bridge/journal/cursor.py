"""Where one output stands in the log: the next sequence it never took, and what is still open below it.

The event loop moves a cursor, the writer thread reads it to log what moved. One lock a cursor is held for reading
`next` and the changes together: else an event could be logged as passed by and as not open, which is a loss.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Lock

from msgspec import Struct

from bridge.journal.record import Change, ChangesBlob, OpenEntry, OutputEntry, StateBlob

_GONE = ("delivered", "expired", "none")


def now_ms() -> int:
    """The time now as the journal writes it."""
    return time.time_ns() // 1_000_000


class Progress(Struct, frozen=True):
    """What a cursor did since it was last logged."""

    next: int
    changes: tuple[Change, ...]


class Cursor:
    """One output's place in the log."""

    def __init__(self, entry: OutputEntry) -> None:
        self.number = entry.number
        self.name = entry.name
        self.began = entry.began
        self.next = entry.next
        self._open: dict[int, OpenEntry] = {open_.sequence: open_ for open_ in entry.open if not open_.dead_since}
        self._dead: dict[int, OpenEntry] = {open_.sequence: open_ for open_ in entry.open if open_.dead_since}
        self._changes: list[Change] = []
        self._logged_next = entry.next
        self._lock = Lock()
        self.synced_low = min([entry.next, *self._open])
        """Below it all is settled but for dead letters, and the disk knows: what retention may believe."""

    # --- The loop's side

    def take(self, until: int) -> None:
        """Move on to `until`; what was passed is open until it is settled."""
        with self._lock:
            self._open.update({sequence: OpenEntry(sequence) for sequence in range(self.next, until)})
            self.next = until

    def settle(self, sequence: int, outcome: str, attempts: int = 0, reason: str = "") -> None:
        """Close a sequence for good: delivered, none, expired."""
        with self._lock:
            if self._open.pop(sequence, None) or self._dead.pop(sequence, None):
                self._changes.append(Change(self.number, sequence, outcome, now_ms(), attempts, reason))

    def failed(self, sequence: int, attempts: int, reason: str) -> OpenEntry:
        """Note that an event failed as an event of its own: it stays open, to be tried again."""
        with self._lock:
            change = Change(self.number, sequence, "retry", now_ms(), attempts, reason)
            self._changes.append(change)
            entry = self._open[sequence] = after(self._open.get(sequence, OpenEntry(sequence)), change)
            return entry

    def bury(self, sequence: int, attempts: int, reason: str) -> None:
        """Make an event a dead letter: it keeps its place in the log until it expires."""
        with self._lock:
            change = Change(self.number, sequence, "dead", now_ms(), attempts, reason)
            self._changes.append(change)
            self._dead[sequence] = after(self._open.pop(sequence, OpenEntry(sequence)), change)

    def expire(self, before: int) -> int:
        """Drop dead letters that died before a time (ms); returns how many."""
        old = [entry for entry in self.dead_letters() if entry.dead_since < before]
        for entry in old:
            self.settle(entry.sequence, "expired", entry.attempts, entry.reason)
        return len(old)

    def skip_to(self, sequence: int) -> int:
        """Give up all that waits below a sequence; returns how many that were."""
        with self._lock:
            skipped = [number for number in self._open if number < sequence]
            for number in skipped:
                del self._open[number]
                self._changes.append(Change(self.number, number, "expired", now_ms()))
            passed = max(0, sequence - self.next)
            self.next += passed
            return len(skipped) + passed

    def open_entries(self) -> list[OpenEntry]:
        """What was taken and is neither settled nor dead, in order."""
        with self._lock:
            return sorted(self._open.values(), key=lambda entry: entry.sequence)

    def dead_letters(self) -> list[OpenEntry]:
        """The dead letters, in order."""
        with self._lock:
            return sorted(self._dead.values(), key=lambda entry: entry.sequence)

    @property
    def dead(self) -> int:
        """How many dead letters there are."""
        return len(self._dead)

    def waiting(self, log_next: int) -> int:
        """How many events wait or are under way."""
        return max(0, log_next - self.next) + len(self._open)

    def oldest_waiting(self, log_next: int) -> int | None:
        """The oldest sequence that waits or is under way."""
        with self._lock:
            oldest = min([self.next, *self._open])
        return oldest if oldest < log_next else None

    @property
    def low(self) -> int:
        """The oldest sequence that the log must keep for this output, dead letters included, as the disk knows it."""
        with self._lock:
            return min([self.synced_low, *self._dead])

    # --- The writer's side

    @property
    def moved(self) -> bool:
        """Whether there is something to log."""
        return bool(self._changes) or self.next != self._logged_next

    def progress(self) -> Progress:
        """All that is not yet logged; stays until `logged` says that it is on disk."""
        with self._lock:
            return Progress(self.next, tuple(self._changes))

    def logged(self, progress: Progress) -> None:
        """This progress is on disk."""
        with self._lock:
            del self._changes[: len(progress.changes)]
            self._logged_next = progress.next
            unlogged = (change.sequence for change in self._changes)
            self.synced_low = min([progress.next, *self._open, *unlogged])

    def entry(self) -> OutputEntry:
        """The whole state."""
        with self._lock:
            entries = sorted([*self._open.values(), *self._dead.values()], key=lambda entry: entry.sequence)
            return OutputEntry(self.number, self.name, self.began, self.next, tuple(entries))


def after(entry: OpenEntry, change: Change) -> OpenEntry:
    """What a failure makes of an open sequence."""
    return OpenEntry(
        entry.sequence,
        change.attempts,
        entry.failing_since or change.when,
        change.when if change.outcome == "dead" else entry.dead_since,
        change.reason,
    )


class State:
    """The outputs' state as it is read back from the log, record by record."""

    def __init__(self, blob: StateBlob) -> None:
        self.next_number = blob.next_number
        self._outputs = {entry.number: entry for entry in blob.outputs}
        self._next = {entry.number: entry.next for entry in blob.outputs}
        self._open = {entry.number: {open_.sequence: open_ for open_ in entry.open} for entry in blob.outputs}

    def apply(self, blob: ChangesBlob) -> None:
        """Bring it up to date with one CHANGES record."""
        for number, next_ in blob.next:
            if number in self._outputs and next_ > self._next[number]:
                self._open[number].update({n: OpenEntry(n) for n in range(self._next[number], next_)})
                self._next[number] = next_
        for change in blob.changes:
            open_ = self._open.get(change.output, {})
            if change.outcome in _GONE:
                open_.pop(change.sequence, None)
            elif change.sequence in open_:
                open_[change.sequence] = after(open_[change.sequence], change)

    def outputs(self) -> list[OutputEntry]:
        """Where each output stands."""
        return [
            OutputEntry(number, entry.name, entry.began, self._next[number], tuple(self._open[number].values()))
            for number, entry in self._outputs.items()
        ]


def changes_blob(progress: Iterable[tuple[Cursor, Progress]]) -> ChangesBlob:
    """One CHANGES record for the progress of several cursors."""
    moved = list(progress)
    return ChangesBlob(
        tuple((cursor.number, made.next) for cursor, made in moved),
        tuple(change for _, made in moved for change in made.changes),
    )
