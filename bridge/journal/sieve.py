"""The sieve: which pushes are surely new, told from memory alone. The index is asked only of the rest, which are few.

A Bloom filter of the pushes' message ids. To ask SQLite of every group took a twelfth of a push's time: a call into it
hands the interpreter to the other thread several times, and has to wait until it is given back.
"""

from __future__ import annotations

from typing import Final

_BITS: Final = 24
"""2 MB: beside 100,000 others it takes one new id in 200,000 for a known one, beside a million one in 230."""
_MASK: Final = (1 << _BITS) - 1
_WORN: Final = 1_000_000


class Sieve:
    """The message ids of pushes, as far as it was told of them."""

    def __init__(self) -> None:
        self.is_whole = False
        """Whether it was told of all: only then what it does not know is new."""
        self._bits = bytearray(1 << _BITS - 3)
        self._known = 0
        self._worn_at = 0

    def add(self, *msg_ids: str) -> None:
        """Know these from now on."""
        bits = self._bits
        for msg_id in msg_ids:
            for place in _places(msg_id):
                bits[place >> 3] |= 1 << (place & 7)
        self._known += len(msg_ids)

    def end(self) -> None:
        """It was told of all that there is."""
        self.is_whole = True
        self._worn_at = 2 * self._known + _WORN

    @property
    def is_worn(self) -> bool:
        """Whether half of what it knows may be gone by now: it can't forget, and had better be made anew."""
        return self.is_whole and self._known > self._worn_at

    def is_new(self, msg_id: str) -> bool:
        """Whether there is surely no push with this id. Of the empty one there may always be some."""
        if self.is_whole and msg_id:
            for place in _places(msg_id):
                if not self._bits[place >> 3] & 1 << (place & 7):
                    return True
        return False


def _places(msg_id: str) -> tuple[int, int, int]:
    """Where its three bits are: Python's own hash is enough, for what is in memory only."""
    first = hash(msg_id)
    step = first >> _BITS | 1
    return first & _MASK, first + step & _MASK, first + 2 * step & _MASK
