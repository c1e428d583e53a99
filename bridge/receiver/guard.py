"""The receiver's guard: bounds on headers and bodies, and deadlines, so that no sender keeps others from being heard.

The parser has no bound on a request line, headers, chunk extensions or trailers, and the server no deadline.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.receiver.body import Body
from bridge.receiver.transport import OneWrite

log = structlog.get_logger("boxbridge.receiver")

HEADER_BYTES: Final = 32_768
"""Longest request line and headers."""
UNPARSED_BYTES: Final = HEADER_BYTES + 262_144
"""Bytes of one connection that may arrive without ending a header or bringing any body: the parser has no bound."""
HEADER_SECONDS: Final = 20.0
"""From the connection, or the first byte of a request, to the end of its headers."""
BODY_SECONDS: Final = 20.0
"""In each span of this length a body must grow by `BODY_RATE` bytes a second."""
BODY_RATE: Final = 500
BODY_GRACE_SECONDS: Final = 120.0
BODY_PACE: Final = 10_000
"""A body may take so many seconds in all, and one more for each so many bytes that came: 280 kB within 150 s pass."""
_OFFER: Final = re.compile(rb"\r\n(upgrade):[ \t]*h2c", re.IGNORECASE)
_UNFINISHED: Final = re.compile(rb"\r(?:\n(?:\r|[^\r\n]{0,60}))?\Z")
"""A line, or the end of the headers, of which more may follow."""


class _TooLong(Exception):
    """Headers are longer than allowed: so that the parser stops where it is."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with what it lacks: it counts header bytes and lets no request take for ever.

    The application finds the body in the scope's state, as "body".
    """

    _body: Body
    _unparsed = 0
    _header_bytes = 0
    _body_bytes = 0
    _body_bytes_before = 0
    _body_began = 0.0
    _in_body = False
    _held = b""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer connected: its headers are due."""
        super().connection_made(transport)
        self.transport = OneWrite(transport, self.loop)  # type: ignore[assignment]
        self._expect(HEADER_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived; the parser's callbacks below reset the count."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect(HEADER_SECONDS, self._too_slow)  # blank lines before a request begin none
        self._unparsed += len(data)
        if self._unparsed > UNPARSED_BYTES:
            self._abort("headers longer than allowed")
            return
        if not self._in_body:
            data, self._held = _without_offer(self._held + data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request began."""
        super().on_message_begin()
        self._header_bytes = 0
        self._expect(HEADER_SECONDS, self._too_slow)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header arrived."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if self._header_bytes + len(self.url) > HEADER_BYTES:
            self._abort("headers longer than allowed")
            raise _TooLong

    def on_headers_complete(self) -> None:
        """The headers are whole: the body is due."""
        self._unparsed = 0
        self._body_bytes = self._body_bytes_before = 0
        self._body_began = self.loop.time()
        self._in_body = True
        super().on_headers_complete()
        self._body = self.scope["state"]["body"] = Body(self.cycle)
        self._expect(BODY_SECONDS, self._check_rate)

    def on_body(self, body: bytes) -> None:
        """A piece of the body arrived."""
        self._unparsed = 0
        self._body_bytes += len(body)
        if not self.cycle.response_complete:
            self._body.feed(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._unparsed = 0
        self._in_body = False
        self._expect_nothing()
        super().on_message_complete()

    def _expect(self, seconds: float, otherwise: Any) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, otherwise)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _check_rate(self) -> None:
        grown, self._body_bytes_before = self._body_bytes - self._body_bytes_before, self._body_bytes
        most_seconds = BODY_GRACE_SECONDS + self._body_bytes / BODY_PACE
        if grown < BODY_RATE * BODY_SECONDS or self.loop.time() - self._body_began > most_seconds:
            self._too_slow()
            return
        self._expect(BODY_SECONDS, self._check_rate)

    def _too_slow(self) -> None:
        self._abort("the request did not arrive in time")

    def _abort(self, reason: str) -> None:
        self._expect_nothing()
        if not self.transport.is_closing():
            log.warning("connection cut", peer=self.client and self.client[0], reason=reason)
            self.transport.abort()


def _without_offer(data: bytes) -> tuple[bytes, bytes]:
    """The data with an offer to speak HTTP/2 made unknown to the parser, which would skip the body for it.

    Also what is to be held until more comes: a short line without its end may become such an offer.
    """
    end = data.find(b"\r\n\r\n")
    offer = _OFFER.search(data, 0, end if end >= 0 else len(data))
    if offer:
        data = data[: offer.start(1)] + b"x-offer" + data[offer.end(1) :]
    unfinished = _UNFINISHED.search(data, max(0, len(data) - 64)) if end < 0 else None
    start = unfinished.start() if unfinished else len(data)
    return data[:start], data[start:]
