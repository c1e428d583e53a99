"""A WebSocket connection after its handshake: messages in, answers out.

Messages are taken side by side, and each is answered when it is stored; so answers come in the order of commit. Where
too much is under way, nothing more is read: the sender waits in its own network stack, and nothing piles up here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, Protocol

from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SERVER
from websockets.protocol import Protocol as Frames

from bridge.receiver.body import settle
from bridge.receiver.budget import BodyBudget, Busy, Claim, TooLarge
from bridge.receiver.frames import let_go
from bridge.receiver.pace import Pace
from bridge.receiver.seats import Seat
from bridge.receiver.transport import OneWrite

MESSAGES_UNDER_WAY: Final = 64
BYTES_UNDER_WAY: Final = 4_000_000
"""What of one connection may be on its way to the disk before no more is read."""
FRAMES_A_TURN: Final = 64
"""Frames of one connection that are read before others have their turn: megabytes of tiny ones come at once."""
PING_SECONDS: Final = 20.0
"""A sender that was quiet for so long is asked whether it is there; one that was quiet for twice as long is gone."""
GOODBYE_SECONDS: Final = 2.0
"""How long a sender may take to close its side after ours."""
_HEAD: Final = 14
"""The longest head of a frame."""


class Desk(Protocol):
    """Who takes the messages of a conversation."""

    budget: BodyBudget

    def limit(self) -> int:
        """Bytes that one message may have."""

    def take(self, message: bytes) -> Awaitable[bytes]:
        """Store a message; the answer to it."""

    def refuse(self, status: int, reason: str) -> bytes:
        """The answer to a message that was not received whole."""


class Conversation(asyncio.Protocol):
    """One connection, from `begin` until it is lost."""

    def __init__(
        self, desk: Desk, transport: asyncio.Transport, seat: Seat, loop: asyncio.AbstractEventLoop, server: ServerState
    ) -> None:
        self._desk = desk
        self._transport = OneWrite(transport, loop)
        self._seat = seat
        self._loop = loop
        self._server = server
        self._frames = Frames(SERVER, state=OPEN, max_size=None)
        self._unread = b""
        """What arrived and waits until less is under way."""
        self._frame_left = 0
        """Bytes still to come of the frame that is being read; so the library gets one frame at a time."""
        self._frames_left = FRAMES_A_TURN
        """How many more are read before others have their turn."""
        self._message = bytearray()
        """The frames so far of a message that comes in several."""
        self._claim: Claim | None = None
        self._pace = Pace(loop, lambda: self._cut("a message did not arrive in time"))
        self._answering: set[asyncio.Task[None]] = set()
        self._bytes_under_way = 0
        self._reading = True
        self._can_write = True
        self._farewell: tuple[CloseCode, str] | None = None
        """How it is closed as soon as nothing is under way; then nothing more is taken."""
        self._lost_thread = False
        """A message was given up half-way: what follows can't be read."""
        self._heard = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, early: bytes) -> None:
        """Take messages, first of the bytes that came with the handshake."""
        self._server.connections.add(self)  # type: ignore[arg-type]  # it only calls `shutdown`
        self._transport.set_protocol(self)
        self._seat.pass_to(self)
        self._watch()
        self.data_received(early)

    # --- What the event loop and the server call

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        self._heard = self._loop.time()
        self._seat.heard()
        if self._lost_thread:
            return
        self._pace.grow(len(data))
        self._unread = self._unread + data if self._unread else data
        self._read_on()

    def pause_writing(self) -> None:
        """The sender does not read its answers: what it sends need not be read either."""
        self._can_write = False
        self._mind_reading()

    def resume_writing(self) -> None:
        """It reads them."""
        self._can_write = True
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The sender is gone; what was received whole is stored all the same."""
        if self._pending():
            self._desk.refuse(400, "cut short: the connection ended before the message did")
        self._forget_message()
        self._pace.close()
        self._seat.leave()
        if self._timer is not None:
            self._timer.cancel()
        self._server.connections.discard(self)
        let_go(self._frames)

    def shutdown(self) -> None:
        """The server stops: answer what was received, then close."""
        self._end(CloseCode.GOING_AWAY, "the server stops")

    def give_way(self) -> bool:
        """Another connection needs the seat: end, unless this one waits for us."""
        if self._answering and self._can_write:
            return False
        self._transport.abort()
        return True

    # --- Reading

    def _read_on(self) -> None:
        """Read what arrived, unless too much is under way."""
        view, at = memoryview(self._unread), 0
        while at < len(view) and self._frames_left and self._has_room():
            self._frame_left = self._frame_left or frame_size(view[at : at + 10])
            if not self._frame_left:
                break  # of its head there is too little
            piece = view[at : at + self._frame_left]
            self._frames.receive_data(piece)  # type: ignore[arg-type]  # it is only added to a bytearray
            at += len(piece)
            self._frame_left -= len(piece)
            self._frames_left -= 1
            self._take_messages()
            if not self._frames_left:
                self._loop.call_soon(self._next_turn)
        self._unread = bytes(view[at:]) if not self._lost_thread else b""
        self._send_what_is_due()
        self._count()
        self._mind_reading()

    def _next_turn(self) -> None:
        """Others had theirs."""
        self._frames_left = FRAMES_A_TURN
        if not self._transport.is_closing():
            self._read_on()

    def _has_room(self) -> bool:
        if self._lost_thread or not self._can_write:
            return False
        if self._farewell is not None and self._frames.state is OPEN:
            return False
        return not self._answering or (
            len(self._answering) < MESSAGES_UNDER_WAY
            and self._bytes_under_way < BYTES_UNDER_WAY
            and not self._desk.budget.is_tight()
        )

    def _mind_reading(self) -> None:
        """Let the event loop read only while there is room for what it brings."""
        if self._transport.is_closing():
            return
        if (wanted := (self._has_room() and self._frames_left > 0) or self._lost_thread) != self._reading:
            self._reading = wanted
            self._heard = self._loop.time()
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()
        if not self._frames_left:
            return  # the message that comes in has as long as before
        if not (self._reading and self._pending()):
            self._pace.end()
        elif not self._pace.running:
            self._pace.begin()

    def _take_messages(self) -> None:
        for frame in self._frames.events_received():
            if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue  # the library answers pings and closes
            if frame.fin and not self._message:
                self._take(bytes(frame.data))
                continue
            self._message += frame.data
            if frame.fin:
                whole = bytes(self._message)
                self._message.clear()
                self._take(whole)

    def _take(self, message: bytes) -> None:
        if self._farewell is not None:
            return
        self._pace.end()
        claim, self._claim = self._claim or self._new_claim(), None
        try:
            message = settle(claim, message, b"", self._desk.limit())
        except (TooLarge, Busy) as error:
            claim.give_back()
            self._refuse(error)
            return
        self._bytes_under_way += len(message)
        task = self._loop.create_task(self._answer(message, claim))
        self._answering.add(task)
        self._server.tasks.add(task)
        task.add_done_callback(self._answered)

    async def _answer(self, message: bytes, claim: Claim) -> None:
        try:
            self._say(await self._desk.take(message))
        finally:
            claim.give_back()
            self._bytes_under_way -= len(message)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        self._server.tasks.discard(task)
        self._seat.heard()
        if self._unread or not self._reading:
            self._read_on()
        self._close_if_due()

    # --- Its room in memory

    def _pending(self) -> int:
        """Bytes of a message that is not whole yet, and of what waits to be read."""
        return len(self._frames.reader.buffer) + len(self._message) + len(self._unread)

    def _count(self) -> None:
        """Have the budget count what is there of a message that is not whole yet."""
        pending = self._pending()
        if not pending or self._farewell is not None:
            return
        limit = self._desk.limit()
        if pending - len(self._unread) > limit + _HEAD:
            self._refuse(TooLarge(f"too large: the body has more than {limit} bytes (max_body)"))
            return
        self._claim = self._claim or self._new_claim()
        try:
            self._claim.grow(pending)
        except Busy as busy:
            self._refuse(busy)

    def _new_claim(self) -> Claim:
        return self._desk.budget.claim(lambda: self._refuse(Busy()))

    def _forget_message(self) -> None:
        self._frames.reader.discard()
        self._message.clear()
        self._unread = b""
        if self._claim is not None:
            self._claim.give_back()
            self._claim = None

    # --- Answering and ending

    def _say(self, answer: bytes) -> None:
        if self._frames.state is OPEN and not self._transport.is_closing():
            self._frames.send_text(answer)
            self._send_what_is_due()

    def _send_what_is_due(self) -> None:
        for data in self._frames.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the library's sign for the end
                self._transport.close()
        if self._frames.parser_exc is not None and self._farewell is None:
            self._farewell = (CloseCode.PROTOCOL_ERROR, "")
            self._seat.cut(f"no WebSocket: {self._frames.parser_exc}")

    def _refuse(self, why: TooLarge | Busy) -> None:
        """Refuse the message that comes in; what follows it in the stream can't be told from it any more."""
        if self._lost_thread:
            return
        busy = isinstance(why, Busy)
        self._say(self._desk.refuse(503 if busy else 413, str(why)))
        self._lost_thread = True
        self._forget_message()
        self._end(CloseCode.TRY_AGAIN_LATER if busy else CloseCode.MESSAGE_TOO_BIG, str(why))

    def _end(self, code: CloseCode, reason: str) -> None:
        if self._farewell is None:
            self._farewell = (code, reason)
        self._mind_reading()
        self._close_if_due()

    def _close_if_due(self) -> None:
        """Say goodbye when all that was received is answered."""
        if self._farewell is None or self._answering or self._frames.state is not OPEN:
            return
        self._frames.send_close(*self._farewell)
        self._read_on()
        if self._lost_thread:
            self._transport.write_eof()  # the sender's own goodbye would not be understood
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(GOODBYE_SECONDS, self._transport.close)

    def _cut(self, reason: str) -> None:
        if not self._transport.is_closing():
            self._seat.cut(reason)
            self._transport.abort()

    def _watch(self) -> None:
        """See now and then whether the sender is there."""
        quiet = self._loop.time() - self._heard
        if not self._reading and self._can_write:
            quiet = 0.0  # nobody listens to it
        if quiet > 2 * PING_SECONDS:
            self._cut("the sender is gone: it answers no ping, or reads no answers")
            return
        if quiet > PING_SECONDS / 2 and self._frames.state is OPEN:
            self._frames.send_ping(b"")
            self._send_what_is_due()
        self._timer = self._loop.call_later(PING_SECONDS, self._watch)


def frame_size(head: memoryview) -> int:
    """Bytes of the frame that begins so, its head included; 0 where too little of the head is there."""
    if len(head) < 2:
        return 0
    length, after = head[1] & 0x7F, 2
    if length >= 126:
        after = 4 if length == 126 else 10
        length = int.from_bytes(head[2:after], "big")
    if len(head) < after:
        return 0
    return after + (4 if head[1] & 0x80 else 0) + length
