"""What the history has besides deliveries: how outputs came and went, and what was turned away, summed by the minute.

The event loop notes it, the writer brings it to disk: along with the next group, and alone at most once a minute, so
that a box which is refused again and again doesn't wear the disk out.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from msgspec import Struct

from bridge.journal.cursor import now_ms
from bridge.journal.record import OutputNote, TurnedAway

_MINUTE_MS: Final = 60_000
_SUMS_LIMIT: Final = 1000
"""Different sums within one minute; what goes beyond is summed whatever it is about."""
_LONGEST: Final = 200
_MOST_WAITING: Final = 10_000
"""How many of each may wait for a disk that takes nothing."""

_About = tuple[str, str, str, str, int]


class Pending(Struct, frozen=True):
    """What is yet to be brought to disk."""

    outputs: tuple[OutputNote, ...] = ()
    turned_away: tuple[TurnedAway, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.outputs or self.turned_away)


_NOTHING: Final = Pending()


class Notes:
    """Notes on their way to the disk."""

    def __init__(self) -> None:
        self._outputs: list[OutputNote] = []
        self._sums: dict[_About, TurnedAway] = {}
        """Those of the minute that goes on."""
        self._unwritten: set[_About] = set()
        self._past: list[TurnedAway] = []
        """Sums of minutes that are over."""
        self._minute = 0
        self._lock = Lock()

    # --- The loop's side

    def output(self, number: int, state: str, reason: str) -> None:
        """An output's state changed."""
        with self._lock:
            self._outputs.append(OutputNote(number, now_ms(), state, reason[:_LONGEST]))

    def turn_away(self, outcome: str, *, device: str, peer: str, reason: str = "", sequence: int = 0) -> None:
        """A push was not stored as a new one."""
        about: _About = outcome, device, peer, reason[:_LONGEST], sequence
        now = now_ms()
        with self._lock:
            if now // _MINUTE_MS != self._minute:
                self._begin_minute(now // _MINUTE_MS)
            if len(self._sums) >= _SUMS_LIMIT and about not in self._sums:
                about = outcome, "", "", "too many different ones in this minute to name them", 0
            sum_ = self._sums.get(about)
            first, count = (sum_.first, sum_.count) if sum_ is not None else (now, 0)
            self._sums[about] = TurnedAway(first, now, count + 1, *about)
            self._unwritten.add(about)

    def _begin_minute(self, minute: int) -> None:
        self._minute = minute
        self._past += [self._sums[about] for about in self._unwritten]
        self._unwritten.clear()
        self._sums.clear()

    # --- The writer's side

    @property
    def urgent(self) -> bool:
        """Whether there is something that is rare enough to be brought to disk at once."""
        return bool(self._outputs)

    @property
    def waiting(self) -> bool:
        """Whether there is anything to bring to disk."""
        return bool(self._outputs or self._unwritten or self._past)

    def pending(self) -> Pending:
        """All that is not on disk; stays until `logged` says that it is."""
        if not self.waiting:
            return _NOTHING
        with self._lock:
            return Pending(tuple(self._outputs), (*self._past, *(self._sums[about] for about in self._unwritten)))

    def logged(self, pending: Pending) -> None:
        """These are on disk."""
        if not pending:
            return
        written = set(pending.turned_away)
        with self._lock:
            del self._outputs[: len(pending.outputs)]
            self._past = [sum_ for sum_ in self._past if sum_ not in written]
            self._unwritten = {about for about in self._unwritten if self._sums[about] not in written}

    def fold(self) -> None:
        """Drop the oldest of what is too much to keep. Not between `pending` and `logged`."""
        with self._lock:
            del self._outputs[:-_MOST_WAITING]
            del self._past[:-_MOST_WAITING]
