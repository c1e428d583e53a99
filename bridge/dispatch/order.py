"""Which event an output gets next: what was taken before and is due again, then what follows in the log.

What a person asked for anew comes last, however often it fails: it never holds up what has just come.

And the one exception: an event that seems to make the far side fall each time it is given it steps back, so that what
follows may show whether it is the event or an outage.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Iterable

from bridge.journal.journal import Cursor, Journal

SUSPICIOUS_FAILURES = 2
"""After so many failures in a row any event may be tried in a suspect's place, not only the next: it may be one too."""


class Order:
    """The sequences that one output has still to deliver, in the order in which it should get them."""

    def __init__(self, cursor: Cursor, journal: Journal) -> None:
        self._cursor = cursor
        self._given_up = cursor.given_up
        self._journal = journal
        self._again: list[tuple[bool, int]] = []
        """A heap of what was taken before and is to be delivered: (whether a person asked for it anew, sequence)."""
        self._later: list[tuple[float, int]] = []
        """A heap of (monotonic time, sequence) of events that failed and wait for their next attempt."""
        self._oldest_in_trouble: int | None = None
        self._suspect: int | None = None
        """An event that may be what makes the far side fall; what follows it is tried first."""
        self._accused: int | None = None
        """A suspect that others passed: if the far side falls once more, that counts as a Retry of this event."""

    # --- What is next

    def next(self, failures: int) -> int | None:
        """Take the next sequence; None where nothing is due. `failures`: of the output, in a row."""
        if self._cursor.given_up != self._given_up:
            self._forget_given_up()
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self.again(heapq.heappop(self._later)[1])
        if not self._again or (self._again[0][0] and self._has_fresh()):
            return self._fresh()
        if self._again[0][1] == self._suspect and self._followers():
            return self._follower(failures)
        return heapq.heappop(self._again)[1]

    def _forget_given_up(self) -> None:
        """Let go of what the cursor has no longer open: its backlog was more than it may be."""
        self._given_up = self._cursor.given_up
        self._again = sorted(entry for entry in self._again if self._cursor.is_open(entry[1]))
        self._later = sorted(entry for entry in self._later if self._cursor.is_open(entry[1]))

    def again(self, sequence: int) -> None:
        """Deliver it as soon as may be: nothing was wrong with it, or its time has come."""
        heapq.heappush(self._again, (self._cursor.is_asked_for(sequence), sequence))

    def later(self, sequence: int, seconds: float) -> None:
        """Deliver it again after so many seconds."""
        heapq.heappush(self._later, (time.monotonic() + seconds, sequence))

    def seconds_until_due(self) -> float | None:
        """How long until the first event that failed is due; None where there is none."""
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None

    def seconds_until(self, sequence: int) -> float | None:
        """How long until an event that failed is due; None where it is not one."""
        now = time.monotonic()
        return next((max(0.0, due - now) for due, waiting in self._later if waiting == sequence), None)

    def _has_fresh(self) -> bool:
        return self._cursor.next < self._journal.next

    def _fresh(self) -> int | None:
        if not self._has_fresh():
            return None
        sequence = self._cursor.next
        self._cursor.take(sequence + 1)
        return sequence

    # --- Who makes the far side fall

    def trouble(self, under_way: Iterable[int]) -> None:
        """The far side fell while these were under way: the same oldest one twice in a row is a suspect.

        A suspect stays one while what follows it falls too, as in an outage.
        """
        waiting = [sequence for _, sequence in self._again if sequence == self._suspect]
        oldest = min([*under_way, *waiting], default=None)
        self._suspect = oldest if oldest is not None and oldest == self._oldest_in_trouble else None
        self._oldest_in_trouble = oldest

    def passed(self, sequence: int) -> None:
        """An event was delivered: where another is suspected, it is the event and no outage."""
        if self._suspect is not None:
            self._accused, self._suspect = self._suspect, None
        if self._accused == sequence:
            self._accused = None

    def convicts(self, sequence: int) -> bool:
        """Whether the far side's fall, just now, counts against this event."""
        if self._accused != sequence:
            return False
        self._accused = None
        return True

    def _followers(self) -> int:
        return len(self._again) - 1 + self._has_fresh()

    def _follower(self, failures: int) -> int | None:
        """One that follows the suspect: the next, or any where that one too made the far side fall."""
        place = random.randint(1, 1 if failures <= SUSPICIOUS_FAILURES else self._followers())  # noqa: S311 - no secret
        fresh = False, self._cursor.next
        follower = sorted([*self._again, *[fresh][: self._has_fresh()]])[place]
        if follower == fresh:
            return self._fresh()
        self._again.remove(follower)
        heapq.heapify(self._again)
        return follower[1]
