"""The budget of bodies: how many bytes of them may be in memory at once, and which body goes when there is no room."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

BLOCK_BYTES: Final = 65_536
STALL_SECONDS: Final = 5.0
"""A body that has not grown by a block for so long stalls."""


class TooLarge(Exception):
    """A body is larger than allowed; the text says by which limit."""


class Broken(Exception):
    """A body breaks off in what is no HTTP."""


class Busy(Exception):
    """There is no room for this body; the sender should come again."""

    def __init__(self) -> None:
        super().__init__("busy: other pushes take all the room there is for bodies; come again")


class BodyBudget:
    """Bytes of bodies in memory, over all connections. What has arrived counts, whatever was declared.

    When they are too many, the largest body that stalls goes. Where none stalls, the newest goes of those that are not
    smaller than the average: so no large body keeps small ones out, and of many that grow alike the oldest get through.
    A body that is whole stays: it is being stored.
    """

    def __init__(self, least: int, total: Callable[[], int]) -> None:
        """`total`: how many bytes; asked for only where there are more than `least`, which it never falls below."""
        self.used = 0
        self.least = least
        self._total = total
        self._growing: dict[Claim, None] = {}
        """Oldest first."""

    def claim(self, on_evicted: Callable[[], None]) -> Claim:
        """Begin a body; `on_evicted` is called where it is made to go."""
        claim = Claim(self, on_evicted)
        self._growing[claim] = None
        return claim

    def is_tight(self) -> bool:
        """Whether so much is used that who can wait should."""
        return 2 * self.used > self._total()

    def make_room(self, asking: Claim) -> None:
        """Give up bodies until what is there fits; raises Busy where the asking one is to go."""
        while self.used > self._total():
            worst = self._worst()
            if worst is asking:
                raise Busy
            worst.evict()

    def end_growth(self, claim: Claim) -> None:
        """This body is whole, or given up."""
        self._growing.pop(claim, None)

    def _worst(self) -> Claim:
        stale = time.monotonic() - STALL_SECONDS
        stalling = [claim for claim in self._growing if claim.grown < stale]
        if stalling:
            return max(stalling, key=lambda claim: claim.size)
        average = sum(claim.size for claim in self._growing) / len(self._growing)
        return next(claim for claim in reversed(self._growing) if claim.size >= average)


class Claim:
    """What one body holds of the budget."""

    __slots__ = ("_budget", "_on_evicted", "grown", "size")

    def __init__(self, budget: BodyBudget, on_evicted: Callable[[], None]) -> None:
        self.size = 0
        self.grown = time.monotonic()
        """When it began, or last completed a block."""
        self._budget = budget
        self._on_evicted = on_evicted

    def grow(self, size: int) -> None:
        """So many bytes have come in all; raises Busy."""
        if size // BLOCK_BYTES > self.size // BLOCK_BYTES:
            self.grown = time.monotonic()
        self._budget.used += size - self.size
        self.size = size
        if self._budget.used > self._budget.least:
            self._budget.make_room(self)

    def end_growth(self) -> None:
        """The body is whole: it can no longer be made to go."""
        self._budget.end_growth(self)

    def give_back(self) -> None:
        """Nothing of it is in memory any more; may be said twice."""
        self._budget.end_growth(self)
        self._budget.used -= self.size
        self.size = 0

    def evict(self) -> None:
        """Make the body go."""
        self.give_back()
        self._on_evicted()
