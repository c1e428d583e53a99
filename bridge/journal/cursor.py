"""Where one output stands in the log: the next sequence it never took, and what is still open below it.

The event loop moves a cursor, the writer thread reads it to log what moved. One lock a cursor is held for reading
`next` and the changes together: else an event could be logged as passed by and as not open, which is a loss.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bridge.journal.record import Change, ChangesBlob, OpenEntry, OutputEntry, ReplayEntry, SkippedEntry, StateBlob

_CLOSING: Final = ("delivered", "expired", "none", "skipped", "unwanted", "dropped")
_OPENING: Final = ("again", "replay")
_ABSENT: Final = OpenEntry(-1)
_MOST_CHANGES: Final = 10_000
"""How many may wait for a disk that takes nothing, which may be for days."""
_MOST_SKIPPED: Final = 16
MOST_DEAD: Final = 10_000
"""Dead letters of one output: each is in memory, and in the state at the head of every segment."""


def now_ms() -> int:
    """The time now as the journal writes it."""
    return time.time_ns() // 1_000_000


class Progress(Struct, frozen=True):
    """What a cursor did since it was last logged."""

    next: int
    changes: tuple[Change, ...]
    opened: int = 0
    """Of a replay: how many events it opened again."""


class Cursor:
    """One output's place in the log."""

    def __init__(self, entry: OutputEntry) -> None:
        self.number = entry.number
        self.name = entry.name
        self.began = entry.began
        self.next = entry.next
        self.paused = entry.paused
        """When a person paused the output (ms), or 0."""
        self.skipped = list(entry.skipped)
        """Where it was passed by, oldest first; the oldest ones lie together in one range."""
        self.given_up = 0
        """How often what it had open was given up: whoever keeps a list of that must look again."""
        self.removed = entry.removed
        self.backlog = entry.backlog
        self._open: dict[int, OpenEntry | None] = {
            open_.sequence: open_ for open_ in entry.open if not open_.dead_since
        }
        """What was taken and neither settled nor buried; None where there is nothing more to say of it."""
        self._dead: dict[int, OpenEntry] = {open_.sequence: open_ for open_ in entry.open if open_.dead_since}
        self._changes: list[Change] = []
        self._folded = False
        """Whether changes were dropped, so that only a whole state can bring the disk up to date."""
        self._logged_next = entry.next
        self._lock = Lock()
        self.low = min([entry.next, *self._open, *self._dead])
        """The oldest sequence that the log must keep for this output, dead letters included, as the disk knows it."""
        self.passed = min([entry.next, *self._open])
        """The same without dead letters."""

    # --- The loop's side

    def take(self, until: int) -> None:
        """Move on to `until`; what was passed is open until it is settled."""
        with self._lock:
            for sequence in range(self.next, until):
                self._open[sequence] = None
            self.next = max(self.next, until)

    def settle(self, sequence: int, outcome: str, attempts: int = 0, reason: str = "") -> None:
        """Close a sequence for good: delivered, none, unwanted, expired, dropped."""
        with self._lock:
            if self._open.pop(sequence, _ABSENT) is not _ABSENT or self._dead.pop(sequence, None) is not None:
                self._note(sequence, outcome, attempts, reason)

    def failed(self, sequence: int, attempts: int, reason: str) -> OpenEntry | None:
        """Note that an open event failed as an event of its own: it stays open, to be tried again.

        None where it is not open any more: given up, or settled by who was left behind.
        """
        with self._lock:
            if sequence not in self._open:
                return None
            change = self._note(sequence, "retry", attempts, reason)
            entry = self._open[sequence] = after(self._open[sequence] or OpenEntry(sequence), change)
            return entry

    def bury(self, sequence: int, attempts: int, reason: str) -> None:
        """Make an open event a dead letter: it keeps its place in the log until it expires."""
        with self._lock:
            if sequence in self._open:
                change = self._note(sequence, "dead", attempts, reason)
                self._dead[sequence] = after(self._open.pop(sequence) or OpenEntry(sequence), change)

    def reopen(self, sequence: int, *, replay: bool) -> bool:
        """Open a sequence anew: a dead letter, or for a replay what was settled.

        False where there is no need or nothing to open: it is open, or not yet taken, and comes anyway.
        """
        with self._lock:
            settled = sequence < self.next and sequence not in self._open
            if not (settled if replay else sequence in self._dead):
                return False
            change = self._note(sequence, "again" if sequence in self._dead else "replay")
            self._dead.pop(sequence, None)
            self._open[sequence] = _opened(change)
            return True

    def is_replayed(self, sequence: int) -> bool:
        """Whether an open sequence was settled before."""
        entry = self._open.get(sequence)
        return entry is not None and entry.replayed

    def is_asked_for(self, sequence: int) -> bool:
        """Whether an open sequence was settled or dead before, and a person asked for it anew."""
        entry = self._open.get(sequence)
        return entry is not None and (entry.replayed or entry.retried)

    def _note(self, sequence: int, outcome: str, attempts: int = 0, reason: str = "", until: int = 0) -> Change:
        change = Change(self.number, sequence, outcome, now_ms(), attempts, reason, until)
        self._changes.append(change)
        if outcome == "skipped":
            note_skipped(self.skipped, change, sequence, until)
        return change

    def expire(self, before: int) -> int:
        """Drop dead letters that died before a time (ms), and of more than MOST_DEAD the oldest; returns how many."""
        with self._lock:
            old = {sequence for sequence, entry in self._dead.items() if entry.dead_since < before}
            old.update(sorted(self._dead)[:-MOST_DEAD])
            for sequence in sorted(old):
                entry = self._dead.pop(sequence)
                self._note(sequence, "expired", entry.attempts, entry.reason)
            return len(old)

    def skip_to(self, sequence: int, reason: str) -> int:
        """Give up all below a sequence that is not settled, dead letters excepted; returns how many that were."""
        with self._lock:
            given_up = sorted(number for number in self._open if number < sequence)
            for number in given_up:
                del self._open[number]
                self._note(number, "skipped", reason=reason, until=number + 1)
            self.given_up += bool(given_up)
            return len(given_up) + self._pass_by(sequence, reason)

    def pass_by(self, until: int, reason: str) -> int:
        """Skip what it never took, up to a sequence, as where the log has a gap; returns how many that were."""
        with self._lock:
            return self._pass_by(until, reason)

    def _pass_by(self, until: int, reason: str) -> int:
        passed = max(0, until - self.next)
        if passed:
            self._note(self.next, "skipped", reason=reason, until=until)
            self.next = until
        return passed

    def is_open(self, sequence: int) -> bool:
        """Whether it was taken and is neither settled, dead nor given up."""
        return sequence in self._open

    def open_entries(self) -> list[OpenEntry]:
        """What was taken and is neither settled nor dead, in order."""
        with self._lock:
            return [self._open[sequence] or OpenEntry(sequence) for sequence in sorted(self._open)]

    def dead_letters(self) -> list[OpenEntry]:
        """The dead letters, in order."""
        with self._lock:
            return [self._dead[sequence] for sequence in sorted(self._dead)]

    @property
    def dead(self) -> int:
        """How many dead letters there are."""
        return len(self._dead)

    @property
    def skipped_events(self) -> int:
        """How many events it was passed by for good."""
        return sum(one.count for one in self.skipped)

    def waiting(self, log_next: int) -> int:
        """How many events wait or are under way."""
        return max(0, log_next - self.next) + len(self._open)

    def oldest_waiting(self, log_next: int) -> int | None:
        """The oldest sequence that waits or is under way."""
        with self._lock:
            oldest = min([self.next, *self._open])
        return oldest if oldest < log_next else None

    # --- The writer's side

    @property
    def moved(self) -> bool:
        """Whether there is something to log."""
        return bool(self._changes) or self._folded or self.next != self._logged_next

    def progress(self) -> Progress:
        """All that is not yet logged; stays until `logged` says that it is on disk."""
        with self._lock:
            return Progress(self.next, tuple(self._changes))

    def fold(self) -> None:
        """Drop changes that are too many to keep, for the next segment, which must come first, has the whole state.

        Only what happened in which order is lost by it, and only from the history.
        """
        with self._lock:
            if len(self._changes) > _MOST_CHANGES:
                self._changes.clear()
                self._folded = True

    def logged(self, progress: Progress) -> None:
        """This progress is on disk."""
        with self._lock:
            self._folded = False
            del self._changes[: len(progress.changes)]
            self._logged_next = progress.next
            self.passed = min(
                progress.next,
                min(self._open, default=progress.next),
                # Settled in memory only: the disk still has it open or dead.
                min((change.sequence for change in self._changes), default=progress.next),
            )
            self.low = min(self.passed, min(self._dead, default=self.passed))

    def pinned(self) -> set[int]:
        """The dead letters, as memory or the disk knows them."""
        with self._lock:
            return {*self._dead, *(change.sequence for change in self._changes)}

    def entry(self) -> OutputEntry:
        """The whole state."""
        with self._lock:
            entries = [
                self._open.get(sequence) or self._dead.get(sequence) or OpenEntry(sequence)
                for sequence in sorted([*self._open, *self._dead])
            ]
            return OutputEntry(
                self.number,
                self.name,
                self.began,
                self.next,
                tuple(entries),
                self.paused,
                tuple(self.skipped),
                self.removed,
                self.backlog,
            )


def after(entry: OpenEntry, change: Change) -> OpenEntry:
    """What a failure makes of an open sequence."""
    return OpenEntry(
        entry.sequence,
        change.attempts,
        entry.failing_since or change.when,
        change.when if change.outcome == "dead" else entry.dead_since,
        change.reason,
        entry.replayed,
        entry.retried,
    )


def _opened(change: Change) -> OpenEntry:
    """A sequence that a person had opened anew."""
    return OpenEntry(change.sequence, replayed=change.outcome == "replay", retried=change.outcome == "again")


def note_skipped(ranges: list[SkippedEntry], change: Change, begin: int, end: int) -> None:
    """Add a range, to the last one where it goes on from there; of very many the oldest two become one."""
    last = ranges[-1] if ranges else None
    if last is not None and last.until == begin and last.reason == change.reason:
        ranges[-1] = SkippedEntry(last.sequence, end, last.count + end - begin, change.when, change.reason)
    else:
        ranges.append(SkippedEntry(begin, end, end - begin, change.when, change.reason))
    if len(ranges) > _MOST_SKIPPED:
        old, new = ranges[:2]
        ranges[:2] = [
            SkippedEntry(
                min(old.sequence, new.sequence), max(old.until, new.until), old.count + new.count, new.when, new.reason
            )
        ]


class State:
    """The outputs' state as it is read back from the log, record by record."""

    def __init__(self, blob: StateBlob) -> None:
        self.next_number = blob.next_number
        self._outputs = {entry.number: entry for entry in blob.outputs}
        self._next = {entry.number: entry.next for entry in blob.outputs}
        self._open = {entry.number: {open_.sequence: open_ for open_ in entry.open} for entry in blob.outputs}
        self._skipped = {entry.number: list(entry.skipped) for entry in blob.outputs}
        self._replays = {entry.number: entry for entry in blob.replays}

    def apply(self, blob: ChangesBlob) -> None:
        """Bring it up to date with one CHANGES record; one that is in it already changes nothing."""
        skips = [change for change in blob.changes if change.outcome == "skipped"]
        passed: dict[Change, int] = {}
        opened = dict(blob.opened)
        for number, next_ in blob.next:
            if number in self._next:
                passed |= self._take(number, next_, [skip for skip in skips if skip.output == number])
            elif number in self._replays:
                self._replays[number] = replace(self._replays[number], next=next_, opened=opened.get(number, 0))
        for change in blob.changes:
            open_ = self._open.get(change.output, {})
            if change.outcome in _CLOSING:
                was_open = open_.pop(change.sequence, None) is not None
                if change in passed:
                    note_skipped(self._skipped[change.output], change, passed[change], change.until)
                elif was_open and change.outcome == "skipped":
                    note_skipped(self._skipped[change.output], change, change.sequence, change.sequence + 1)
            elif change.outcome in _OPENING:
                open_[change.sequence] = _opened(change)
            elif change.sequence in open_:
                open_[change.sequence] = after(open_[change.sequence], change)

    def _take(self, number: int, until: int, skips: list[Change]) -> dict[Change, int]:
        """Open what an output passed, without a range that it skipped, which may be long.

        Returns where each of the skips begins that pass something: not what was open before, nor what was said already.
        """
        passed: dict[Change, int] = {}
        position = self._next[number]
        for skip in skips:
            self._open_up(number, position, skip.sequence)
            position = max(position, skip.sequence)
            if skip.until > position:
                passed[skip] = position
                position = skip.until
        self._open_up(number, position, until)
        self._next[number] = max(position, until)
        return passed

    def _open_up(self, number: int, begin: int, end: int) -> None:
        self._open[number].update({sequence: OpenEntry(sequence) for sequence in range(begin, end)})

    def outputs(self) -> list[OutputEntry]:
        """Where each output stands."""
        return [
            OutputEntry(
                number,
                entry.name,
                entry.began,
                self._next[number],
                tuple(self._open[number].values()),
                entry.paused,
                tuple(self._skipped[number]),
                entry.removed,
                entry.backlog,
            )
            for number, entry in self._outputs.items()
        ]

    def replays(self) -> list[ReplayEntry]:
        """The replays that are not over, where their outputs are still there."""
        return [r for r in self._replays.values() if r.next < r.until and r.output in self._outputs]
