"""A connection to the port for people: one of so many, so that whoever reaches it leaves devices their files."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from bridge.receiver.guard import UNPARSED_BYTES
from bridge.receiver.pipelined import Pipelined
from bridge.receiver.seats import Seats

_MOST: Final = 128
_MOST_OF_ONE: Final = 96


def seats_for_people() -> Seats:
    """Of the files that devices leave to others, about half."""
    return Seats(_MOST, _MOST_OF_ONE)


class SeatedProtocol(Pipelined):
    """uvicorn's protocol, which by itself lets in anybody, waits for a request for ever, and reads any headers."""

    _unparsed = 0

    def __init__(self, seats: Seats, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._seats = seats

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected."""
        super().connection_made(transport)
        self._seat = self._seats.take(self.client[0] if self.client else "", self)

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        self._unset_keepalive_if_required()  # uvicorn leaves it where a peer resets the connection
        self._seat.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request arrived."""
        self._seat.heard()
        self._unparsed += len(data)
        if self._unparsed > UNPARSED_BYTES:
            self._seat.cut("headers longer than allowed")
            self.transport.abort()
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """A request's headers are whole."""
        self._unparsed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body arrived."""
        self._unparsed = 0
        super().on_body(body)

    def give_way(self) -> bool:
        """Another connection needs the seat: end, unless this one waits for us, as a page that shows events live."""
        cycle = self.cycle
        if cycle is not None and not cycle.more_body and not cycle.response_complete and not self.flow.write_paused:
            return False
        self.transport.abort()
        return True
