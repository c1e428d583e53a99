"""Requests that come before the last one is answered: read only so far, for each that waits is in memory.

uvicorn reads on with each answer, however many wait.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.receiver.seats import Seat

MOST_WAITING: Final = 4000
"""Requests of one connection: what is read at once may hold many thousands that say nothing."""


class TooMany(Exception):
    """More requests wait than may: so that the parser stops where it is."""


class Pipelined(HttpToolsProtocol):
    """uvicorn's protocol, which reads nothing more while requests wait."""

    _seat: Seat

    def on_headers_complete(self) -> None:
        """A request's headers are whole."""
        super().on_headers_complete()
        if len(self.pipeline) > MOST_WAITING:
            self._seat.cut("too many requests before the first one is answered")
            self.transport.abort()
            raise TooMany

    def on_response_complete(self) -> None:
        """An answer is on its way."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()
