"""The ledger: when each push was sent, answered and arrived, in memory that load, subscriber and bench share.

All times are seconds of the machine's monotonic clock, which is the same in every process; 0 is "not yet".
A push's number is its place in every column.
"""

from __future__ import annotations

from ctypes import Array, c_double, c_int
from multiprocessing.context import SpawnContext


class Ledger:
    """The columns, one place a push. Each column has one process that writes it."""

    def __init__(self, context: SpawnContext, size: int) -> None:
        self.sent: Array[c_double] = context.RawArray(c_double, size)
        self.answered: Array[c_double] = context.RawArray(c_double, size)
        """When success was read; 0 stays where the push was refused."""
        self.arrived: Array[c_double] = context.RawArray(c_double, size)
        """When event and picture had both arrived."""
        self.events: Array[c_int] = context.RawArray(c_int, size)
        self.whole_pictures: Array[c_int] = context.RawArray(c_int, size)
        """How often the picture came, each byte as it was pushed."""
        self.load_cpu = context.RawValue(c_double)
        """Seconds of CPU that the load generator has used, preparations left out."""
        self.subscribed = context.RawValue(c_int)
        """1 once the broker has confirmed the subscription."""

    def note_event(self, number: int, now: float) -> None:
        """The subscriber has got the event of this push."""
        self.events[number] += 1
        if self.events[number] == 1:
            self.arrived[number] = now

    def note_picture(self, number: int, now: float) -> None:
        """The subscriber has got the picture of this push, whole."""
        self.whole_pictures[number] += 1
        if self.whole_pictures[number] == 1:
            self.arrived[number] = max(now, self.arrived[number])

    def delivered(self, number: int) -> bool:
        """Whether all that belongs to this push has arrived."""
        return self.events[number] > 0 and self.whole_pictures[number] > 0

    def acknowledged(self, numbers: range) -> int:
        """How many were answered with success."""
        return sum(self.answered[n] > 0 for n in numbers)

    def lost(self, numbers: range) -> int:
        """How many were answered with success and did not arrive whole."""
        return sum(self.answered[n] > 0 and not self.delivered(n) for n in numbers)

    def duplicated(self, numbers: range) -> int:
        """How many arrived more than once, event or picture."""
        return sum(self.events[n] > 1 or self.whole_pictures[n] > 1 for n in numbers)

    def arrivals(self, numbers: range) -> int:
        """How many have arrived whole."""
        return sum(self.delivered(n) for n in numbers)
