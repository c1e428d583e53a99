"""Seats: how many connections there may be, of one address and in all, and which of them gives its seat up.

Where all are taken, a newcomer gets the seat of the connection that has been silent longest. One whose push is being
stored is not silent: it waits for us, and keeps its seat.
"""

from __future__ import annotations

import resource
from collections import OrderedDict
from itertools import islice
from typing import Final, Protocol

import structlog

from bridge.repeats import Repeats, kind_of

MOST: Final = 4096
MOST_OF_ONE: Final = MOST // 2
"""Of one address: behind a router many boxes have the same."""
OTHER_FILES: Final = 256
"""Files that are for the journal, the outputs and people."""
_ASKED: Final = 64
"""How many are asked to make room for one newcomer, so that nobody is kept busy by newcomers."""


class Connection(Protocol):
    """Who has a seat."""

    def give_way(self) -> bool:
        """End, and say so; unless a push of this connection is being stored."""


class Seats:
    """All of them."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most_of_one = most_of_one
        self._all = _Row(most)
        self._of_address: dict[str, _Row] = {}
        self.repeats = Repeats(structlog.get_logger("boxbridge.receiver"))
        """What is told of connections that end."""

    def take(self, address: str, connection: Connection) -> Seat:
        """A seat for a new connection; where nobody else can give way, this one is made to."""
        own = self._of_address.setdefault(address, _Row(self._most_of_one))
        seat = Seat(self, address, (own, self._all), connection)
        for row in seat.rows:
            if len(row.seats) > row.most:
                self._make_room(row, (seat, connection))
        return seat

    def empty(self, address: str) -> None:
        """Forget an address that has no connection any more."""
        if (row := self._of_address.get(address)) is not None and not row.seats:
            del self._of_address[address]

    def _make_room(self, row: _Row, newcomer: tuple[Seat, Connection]) -> None:
        for seat, connection in (*islice(row.seats.items(), _ASKED), newcomer):
            if connection.give_way():
                seat.leave()
                self._tell(seat, row)
                return
            seat.heard()

    def _tell(self, seat: Seat, row: _Row) -> None:
        self.repeats.warn("too many connections: those that are silent longest give way", peer=seat.address,
                          most=row.most, of="all" if row is self._all else "one address")  # fmt: skip


class Seat:
    """What one connection holds, whichever protocol it speaks. Only the rows know whose it is, until it is left."""

    __slots__ = ("_seats", "address", "rows")

    def __init__(self, seats: Seats, address: str, rows: tuple[_Row, _Row], connection: Connection) -> None:
        self.address = address
        self.rows = rows
        self._seats = seats
        for row in rows:
            row.seats[self] = connection

    def pass_to(self, connection: Connection) -> None:
        """It is the same peer's, who speaks another protocol from now on."""
        for row in self.rows:
            if self in row.seats:
                row.seats[self] = connection

    def heard(self) -> None:
        """Something came of it, or went to it: of all that are silent it is the last now."""
        for row in self.rows:
            if self in row.seats:
                row.seats.move_to_end(self)

    def cut(self, reason: str) -> None:
        """Say why its connection is cut."""
        self._seats.repeats.warn("connection cut", self.address, kind_of(reason), peer=self.address, reason=reason)

    def leave(self) -> None:
        """The connection ends; may be said twice."""
        for row in self.rows:
            row.seats.pop(self, None)
        self._seats.empty(self.address)


class _Row:
    """Seats that are counted together."""

    __slots__ = ("most", "seats")

    def __init__(self, most: int) -> None:
        self.most = most
        self.seats: OrderedDict[Seat, Connection] = OrderedDict()
        """The longest silent first."""


def seats_for_devices() -> Seats:
    """As many as there are files for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(MOST, max(files - OTHER_FILES, files // 2))
    return Seats(most, min(MOST_OF_ONE, most))
