"""The receiver's guard: bounds on headers and bodies, and deadlines, so that no sender keeps others from being heard.

The parser has no bound on a request line, headers, chunk extensions or trailers, and the server no deadline.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast
from urllib.parse import unquote

import httptools

from bridge.receiver.alarm import Alarm
from bridge.receiver.answering import whole_answer
from bridge.receiver.body import Body
from bridge.receiver.conversation import Conversation
from bridge.receiver.handshake import answer_handshake, is_handshake, without_offer
from bridge.receiver.http import Door
from bridge.receiver.pace import Pace
from bridge.receiver.pipelined import Pipelined

HEADER_BYTES: Final = 32_768
"""Longest request line and headers."""
UNPARSED_BYTES: Final = HEADER_BYTES + 262_144
"""Bytes of one connection that may arrive without ending a header or bringing any body: the parser has no bound."""
_CRUMB: Final = 16
MOST_CRUMBS: Final = 20_000
"""Pieces of one body that have fewer bytes than that: chunks of one byte cost a hundred times what they bring."""
HEADER_SECONDS: Final = 20.0
"""From the connection, or the first byte of a request, to the end of its headers."""


class _TooLong(Exception):
    """Headers are longer than allowed, or a body comes in crumbs: so that the parser stops where it is."""


class GuardedProtocol(Pipelined):
    """uvicorn's protocol with what it lacks: it counts header bytes and lets no request take for ever.

    The door finds the body in the scope's state, as "body"; a WebSocket's messages come to a desk of the door.
    """

    _body: Body
    _unparsed = 0
    _header_bytes = 0
    _crumbs = 0
    _is_broken = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer connected: its headers are due."""
        super().connection_made(transport)
        self._headers_due = Alarm(self.loop, self._too_slow)
        self._pace = Pace(self.loop, self._too_slow)
        self._expect_headers()
        self._seat = cast(Door, self.app).seats.take(self._peer, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._close_alarms()
        self._unset_keepalive_if_required()  # uvicorn leaves it where a peer resets the connection
        self._seat.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived; the parser's callbacks below reset the count."""
        self._unset_keepalive_if_required()
        if self._is_broken:
            return
        self._seat.heard()
        self._unparsed += len(data)
        if self._unparsed > UNPARSED_BYTES:
            self._abort("headers longer than allowed")
            return
        try:
            while data:
                data = self._parse(data)
        except httptools.HttpParserError as error:
            self._is_broken = True
            if not self.transport.is_closing():
                self._refuse(f"no HTTP: {error}")
        else:
            is_due = self._headers_due.is_set or self._pace.running or self.parser is None
            is_idle = self.cycle is None or self.cycle.response_complete
            if is_idle and not is_due and self.timeout_keep_alive_task is None:
                self._expect_headers()  # blank lines before a request begin none

    def on_message_begin(self) -> None:
        """A request began."""
        super().on_message_begin()
        self._header_bytes = 0
        self._expect_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header arrived."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if self._header_bytes + len(self.url) > HEADER_BYTES:
            self._abort("headers longer than allowed")
            raise _TooLong

    def on_headers_complete(self) -> None:
        """The headers are whole: the body is due."""
        self._unparsed = self._crumbs = 0
        super().on_headers_complete()
        self._expect_nothing()
        if not self.parser.should_upgrade():
            self._body = self.scope["state"]["body"] = Body(self.cycle)
            self._pace.begin()

    def on_body(self, body: bytes) -> None:
        """A piece of the body arrived."""
        self._unparsed = 0
        self._pace.grow(len(body))
        if len(body) < _CRUMB:
            self._crumbs += 1
            if self._crumbs > MOST_CRUMBS:
                self._abort("the body comes in crumbs")
                raise _TooLong
        if not self.cycle.response_complete:
            self._body.feed(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._unparsed = 0
        self._expect_nothing()
        super().on_message_complete()
        if not self.parser.should_upgrade() and self.cycle.response_complete and not self.transport.is_closing():
            self._keep_alive()

    def _keep_alive(self) -> None:
        """Of a request that was answered before it was whole, as a GET is, only now nothing more is to come."""
        self._unset_keepalive_if_required()
        later = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.timeout_keep_alive_task = later

    def _refuse(self, reason: str) -> None:
        """Refuse what is no HTTP as any push is; nothing more is read."""
        if self._pace.running:
            self._body.break_off(reason)
            return
        self._expect_nothing()
        answer = cast(Door, self.app).malformed(self._peer, reason)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # its answer is the last
            return
        self.transport.write(whole_answer(answer))
        self.transport.close()

    def on_response_complete(self) -> None:
        """The answer is on its way."""
        self._seat.heard()
        super().on_response_complete()

    def give_way(self) -> bool:
        """Another connection needs the seat: end, unless this one waits for us."""
        cycle = self.cycle
        is_whole = bool(self.pipeline) or (cycle is not None and not cycle.more_body and not cycle.response_complete)
        if is_whole and not self.flow.write_paused:
            return False
        self.transport.abort()
        return True

    # --- Offers to speak another protocol

    def _should_upgrade(self) -> bool:
        """Leave every request with an offer to `_parse`."""
        return True

    def _parse(self, data: bytes) -> bytes:
        """Parse; what is still to be parsed is given back.

        The parser reads no body where another protocol is offered, whichever: so, unless it is WebSocket, the request
        is parsed again without the offer.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            rest, method = data[offer.args[0] :], self.parser.get_method()
            if is_handshake(method, self.headers):
                self._converse(rest)
                return b""
            if method == b"CONNECT":
                raise httptools.HttpParserInvalidMethodError("this is no proxy") from None
            self.parser = httptools.HttpRequestParser(self)
            return without_offer(method, self.url, self.headers) + rest
        return b""

    def _converse(self, early: bytes) -> None:
        """Answer a handshake, and hand the connection over."""
        url = httptools.parse_url(self.url)
        scope = {**self.scope, "path": unquote(url.path.decode("utf-8", "replace")), "query_string": url.query or b""}
        door = cast(Door, self.app)
        response, fault = answer_handshake(self.url, self.headers, door.refusal(scope))
        if self.cycle is not None and not self.cycle.response_complete:
            fault = "it asks for a WebSocket before its last request is answered"
        else:
            self.transport.write(response.serialize())
        if fault:
            self._seat.cut(f"no WebSocket: {fault}")
            self.transport.close()
            return
        self._close_alarms()
        desk = door.desk(scope)
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment]  # it holds this protocol, whose part is over
        Conversation(desk, self.transport, self._seat, self.loop, self.server_state).begin(early)

    # --- Deadlines

    def _expect_headers(self) -> None:
        self._pace.end()
        self._headers_due.set(HEADER_SECONDS)

    def _expect_nothing(self) -> None:
        self._pace.end()
        self._headers_due.unset()

    def _close_alarms(self) -> None:
        self._pace.close()
        self._headers_due.close()

    def _too_slow(self) -> None:
        self._abort("the request did not arrive in time")

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _abort(self, reason: str) -> None:
        self._expect_nothing()
        if not self.transport.is_closing():
            self._seat.cut(reason)
            self.transport.abort()
