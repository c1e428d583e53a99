"""How each event stands with each output, and lists of events by that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from bridge.journal import questions
from bridge.journal.questions import EventRow, Filter, Place
from bridge.journal.record import Change, OpenEntry, OutputEntry

State = Literal["waiting", "delivered", "dead", "skipped", "expired", "dropped", "earlier"]
"""waiting: under way or to be tried again too. skipped: given up unsent, or not for the output. expired, dropped: a
dead letter that is gone. earlier: it came before the output was there."""

_ENDS: Final[Mapping[str, State]] = {
    "skipped": "skipped",
    "unwanted": "skipped",
    "expired": "expired",
    "dropped": "dropped",
    "again": "delivered",
    "replay": "delivered",
}
"""What a settled event ended as, by the last of its troubles."""
_FEW: Final = 5000
"""So many candidates are looked up one by one; where there are more, they are found on the way."""
_LOOKED_AT: Final = 20_000
"""How many events one call looks at, at most."""


class Standing:
    """One output's view of the log, at one moment."""

    def __init__(self, entry: OutputEntry) -> None:
        self.number = entry.number
        self.name = entry.name
        self.open: dict[int, OpenEntry] = {open_.sequence: open_ for open_ in entry.open}
        self._began = entry.began
        self._next = entry.next

    def state(self, sequence: int, last_trouble: str = "") -> State:
        """How an event stands; `last_trouble`: the last outcome but success that the index has of it here."""
        entry = self.open.get(sequence)
        if entry is not None:
            return "dead" if entry.dead_since else "waiting"
        if sequence >= self._next:
            return "waiting"
        return _ENDS.get(last_trouble, "earlier" if sequence < self._began else "delivered")

    def waiting_between(self, first: int, until: int) -> int:
        """How many sequences of a range wait or are under way."""
        taken = sum(first <= entry.sequence < until and not entry.dead_since for entry in self.open.values())
        return taken + max(0, until - max(first, self._next))

    def candidates(self, connection: sqlite3.Connection, state: str, log_next: int) -> list[range] | None:
        """Where events of a state may be; None where it is not known, or nearly everywhere."""
        taken = [range(entry.sequence, entry.sequence + 1) for entry in self.open.values()]
        if state == "dead":
            return taken
        if state == "waiting":
            return [*taken, range(self._next, log_next)]
        if state in ("skipped", "expired", "dropped"):
            ends = [outcome for outcome, end in _ENDS.items() if end == state]
            return questions.spans_of(connection, ends, self.number)
        return None


class Listed(Struct, frozen=True):
    """An event of a list, and how it stands with each output."""

    row: EventRow
    outputs: dict[str, State]


class Page(Struct, frozen=True):
    """A part of a list, and where it goes on; None at its end."""

    events: list[Listed]
    after: Place | None


class Listing:
    """A list of events. `state`: only those that stand so with at least one of the outputs."""

    def __init__(self, outputs: Sequence[Standing], log_next: int, asked: Filter, state: str = "") -> None:
        self._outputs = outputs
        self._log_next = log_next
        self._asked = asked
        self._state = state

    def page(self, connection: sqlite3.Connection, after: Place, limit: int) -> Page:
        """The next part, newest first; it may be short, or even empty, before the end. Raises sqlite3.Error."""
        few = self._few(connection)
        found: list[Listed] = []
        looked_at = 0
        while looked_at < _LOOKED_AT:
            count = limit + 1 if not self._state else max(limit + 1, 500)
            if few is None:
                rows = questions.newest_events(connection, self._asked, after, count)
            else:
                rows = questions.these_events(connection, few, self._asked, after, count)
            for listed in self._states(connection, rows):
                if not self._state or self._state in listed.outputs.values():
                    if len(found) == limit:
                        return Page(found, after)
                    found.append(listed)
                after = listed.row.received, listed.row.sequence
            if len(rows) < count:
                return Page(found, None)
            looked_at += len(rows)
        return Page(found, after)

    def _few(self, connection: sqlite3.Connection) -> set[int] | None:
        """The only sequences that may be in the list, where they are few."""
        if not self._state:
            return None
        spans: list[range] = []
        for output in self._outputs:
            candidates = output.candidates(connection, self._state, self._log_next)
            if candidates is None:
                return None
            spans += candidates
        if self._state != "dead" and sum(map(len, spans)) > _FEW:
            return None
        return {sequence for span in spans for sequence in span}

    def _states(self, connection: sqlite3.Connection, rows: list[EventRow]) -> list[Listed]:
        if not rows:
            return []
        sequences = [row.sequence for row in rows]
        found = questions.troubles(connection, min(sequences), max(sequences))
        spans = [change for change in found if change.until]
        single: dict[int, list[Change]] = {}
        for change in found:
            if not change.until:
                single.setdefault(change.sequence, []).append(change)
        listed = []
        for row in rows:
            about = sorted([*spans, *single.get(row.sequence, ())], key=lambda change: change.when)
            states = {o.name: o.state(row.sequence, last_outcome(about, o.number, row.sequence)) for o in self._outputs}
            listed.append(Listed(row, states))
        return listed


def last_outcome(troubles: Iterable[Change], output: int, sequence: int) -> str:
    """The last outcome but success that an event had at an output; "" where it had none."""
    last = ""
    for change in troubles:
        if change.output == output and change.sequence <= sequence < max(change.until, change.sequence + 1):
            last = change.outcome
    return last
