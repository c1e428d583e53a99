"""The load generator: boxes that push one after the other over kept connections, in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import Iterator
from typing import Self, cast

import uvloop

from bench.ledger import Ledger
from bench.push import Pushes, Template, digits

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_SUCCESS = re.compile(rb'"code": *0\b')


class Box(asyncio.Protocol):
    """One box on one connection; it takes the next number when its last push is answered, and no sooner than due."""

    def __init__(self, pushes: Pushes, numbers: Iterator[int], ledger: Ledger, pace: Pace) -> None:
        self._pushes = pushes
        self._numbers = numbers
        self._ledger = ledger
        self._pace = pace
        self._number = -1
        self._answer = b""
        self.ready = asyncio.Event()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def itself(self) -> Self:
        """Be the protocol of its own connection."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; pushing begins when all boxes have theirs."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, not registered as one
        self._greet()

    def _greet(self) -> None:
        self.ready.set()

    def push_next(self) -> None:
        """Push the next number when it is due, or finish when none is left."""
        number = next(self._numbers, None)
        if number is None:
            self._transport.close()
            if not self.finished.done():
                self.finished.set_result(None)
        elif wait := self._pace.wait_for(number):
            asyncio.get_running_loop().call_later(wait, self._push, number)
        else:
            self._push(number)

    def _push(self, number: int) -> None:
        self._number = number
        self._ledger.sent[number] = time.monotonic()
        self._transport.write(self._pushes.numbered(number))

    def data_received(self, data: bytes) -> None:
        """Read an answer; when it is whole, note it and go on."""
        self._answer += data
        answer = self._whole_answer()
        if answer is None:
            return
        self._answer = b""
        fine, body = answer
        if fine and _SUCCESS.search(body) and digits(self._number) in body:
            self._ledger.answered[self._number] = time.monotonic()
        elif not self._pace.refusal_shown:
            self._pace.refusal_shown = True
            print(f"  first refusal, push {self._number}: {body[:200]!r}", flush=True)
        self.push_next()

    def _whole_answer(self) -> tuple[bool, bytes] | None:
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not end or length is None or len(body) < int(length[1]):
            return None
        return b" 200 " in head[:16], body

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends before the box is done ends the load."""
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionError("the server closed a connection under load"))


class WebSocketBox(Box):
    """One box on one WebSocket."""

    def _greet(self) -> None:
        self._transport.write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        """Read the answer to the handshake first."""
        if self.ready.is_set():
            super().data_received(data)
        elif b" 101 " in data[:16]:
            self.ready.set()

    def _whole_answer(self) -> tuple[bool, bytes] | None:
        head = self._answer[:4]
        size, at = (int.from_bytes(head[2:4], "big"), 4) if head[1:2] == b"\x7e" else (head[1] if head[1:] else 126, 2)
        body = self._answer[at:]
        return (head[:1] == b"\x81", body) if len(body) >= size else None


class ClosingBox(Box):
    """One box that makes a connection for each push; the first one is there beforehand."""

    _unused = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Push on it what it was made for."""
        super().connection_made(transport)
        if not self._unused:
            self._transport.write(self._pushes.numbered(self._number))

    def _push(self, number: int) -> None:
        if self._unused:
            super()._push(number)
            self._unused = False
            return
        self._number = number
        self._ledger.sent[number] = time.monotonic()
        self._connecting = asyncio.ensure_future(
            asyncio.get_running_loop().create_connection(self.itself, *self._transport.get_extra_info("peername")[:2])
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Each ends after its answer."""
        if exc is not None:
            super().connection_lost(exc)


class Pace:
    """When each push is due."""

    def __init__(self, first: int, rate: float) -> None:
        self._first = first
        self._interval = 1 / rate if rate else 0.0
        self._start = time.monotonic()
        self.refusal_shown = False

    def wait_for(self, number: int) -> float:
        """Seconds until a push is due, 0 if it is; without a rate, always at once."""
        return max(0.0, self._start + (number - self._first) * self._interval - time.monotonic())


def push_all(template: Template, ledger: Ledger, numbers: range, port: int, boxes: int, rate: float) -> None:
    """Push these numbers from that many boxes, `rate` a second together (0: as fast as they are answered).

    The main function of a process. Raises OSError where a connection is refused or lost.
    """
    gc.disable()
    uvloop.run(_push_all(template, ledger, numbers, port, boxes, rate))


async def _push_all(template: Template, ledger: Ledger, numbers: range, port: int, boxes: int, rate: float) -> None:
    loop = asyncio.get_running_loop()
    requests = [template.of_box(box, port) for box in range(boxes)]
    shared = iter(numbers)
    pace = Pace(numbers.start, rate)
    kind = {"http": Box, "websocket": WebSocketBox, "closing": ClosingBox}[template.way]
    connected = [kind(pushes, shared, ledger, pace) for pushes in requests]
    for box in connected:
        await loop.create_connection(box.itself, "127.0.0.1", port)
        await box.ready.wait()
    before = time.process_time()
    for box in connected:
        box.push_next()
    await asyncio.gather(*(box.finished for box in connected))
    ledger.load_cpu.value = time.process_time() - before
