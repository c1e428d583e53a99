"""A broker that does as a test tells it, speaking just enough MQTT 5, and a connection that can be cut."""

from __future__ import annotations

import asyncio
import re
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

CLOSE = -1
"""In place of a reason code: the connection is closed."""
HANG_UP = -2
"""In place of one: it is acknowledged, and in the same breath said that another took the session over."""
ACCEPTED = b"\x00\x00\x00"
"""What follows the fixed header of a CONNACK that welcomes."""
CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 12, 13, 14


class HostileBroker:
    """`on_publish`: the reason code to acknowledge a topic with, or None for silence; `on_state`: for the state topic.

    `connack`: what follows the fixed header of its answer to CONNECT; empty for no answer at all. `and_then`: bytes
    that are sent with it at once. `pause`: seconds between two bytes of what it sends.
    """

    def __init__(
        self,
        on_publish: Callable[[str], int | None] = lambda _topic: 0,
        on_state: int | None = 0,
        connack: bytes = ACCEPTED,
        and_then: bytes = b"",
        tls: ssl.SSLContext | None = None,
        pause: float = 0,
    ) -> None:
        self.topics: list[str] = []
        self.came: Counter[str] = Counter()
        """How often each event's document came, and was not refused, by its id."""
        self.taken: Counter[str] = Counter()
        """How often each of them was acknowledged without a failure."""
        self.port = 0
        self.pause = pause
        self.unanswered = 0
        """PUBLISH packets that were held without an answer at once, at most."""
        self.on_publish = on_publish
        self._on_state = on_state
        self._connack = connack
        self._and_then = and_then
        self._tls = tls
        self._scheme = "mqtts" if tls else "mqtt"
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.serve()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def serve(self) -> None:
        """Begin, or come back at the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        """Be gone, as one that was killed: nobody listens, and all connections break."""
        self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._server.wait_closed()

    async def turn_to(self, tls: ssl.SSLContext | None) -> None:
        """Come back with another certificate, or without TLS."""
        await self.leave()
        self._tls = tls
        await self.serve()

    def heal(self) -> None:
        """Behave from now on, also where a connection lasts."""
        self.on_publish, self._on_state, self._connack, self._and_then = lambda _topic: 0, 0, ACCEPTED, b""
        self.pause = 0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.add(asyncio.ensure_future(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: list[bytes] = []
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    # acknowledgements are held while more keeps coming, so that a sender's window shows
                    try:
                        async with asyncio.timeout(0.05 if held else None):  # wait_for may swallow a cancellation
                            first = await reader.readexactly(1)
                    except TimeoutError:
                        await self._send(writer, b"".join(held))
                        held.clear()
                        continue
                    kind, body = first[0] >> 4, await _rest_of_packet(reader)
                    if kind == CONNECT and self._connack:
                        connack = bytes([CONNACK << 4, len(self._connack)]) + self._connack
                        await self._send(writer, connack + self._and_then)
                    elif kind == PUBLISH:
                        answer = self._answer(body)
                        if answer is None:
                            writer.writelines(held)
                            return
                        held += answer
                        self.unanswered = max(self.unanswered, len(held))
                    elif kind == PINGREQ:
                        writer.write(bytes([PINGRESP << 4, 0]))
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.pause:
            writer.write(data)
            return
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(self.pause)

    def _answer(self, body: bytes) -> list[bytes] | None:
        """What acknowledges it; None where the connection is to be closed instead."""
        (length,) = struct.unpack("!H", body[:2])
        topic = body[2 : 2 + length].decode()
        mid = body[2 + length : 4 + length]
        self.topics.append(topic)
        code = self._on_state if topic.endswith("/state") else self.on_publish(topic)
        event = re.search(rb'"id":"(\w{26})"', body)
        if event and (code is None or code < 128):
            self.came[event[1].decode()] += 1
            if code not in (None, CLOSE):
                self.taken[event[1].decode()] += 1
        if code == CLOSE:
            return None
        if code == HANG_UP:
            return [bytes([PUBACK << 4, 2]) + mid + bytes([DISCONNECT << 4, 1, 142])]
        return [] if code is None else [bytes([PUBACK << 4, 4]) + mid + bytes([code, 0])]


async def _rest_of_packet(reader: asyncio.StreamReader) -> bytes:
    length = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return await reader.readexactly(length)


class Cable:
    """A TCP connection to a broker that can be cut: `url` leads to it, `cut` breaks all that is connected."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._plugged: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break the connections, as a pulled plug that both sides notice."""
        for task in self._plugged:
            task.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._plug, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._plugged, return_exceptions=True)

    async def _plug(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._plugged.add(task)
        task.add_done_callback(self._plugged.discard)
        async with _torn_off(writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            async with _torn_off(far_writer):
                await asyncio.gather(_flow(reader, far_writer), _flow(far_reader, writer))


@asynccontextmanager
async def _torn_off(end: asyncio.StreamWriter) -> AsyncIterator[None]:
    """One end of a connection, gone for certain afterwards."""
    try:
        yield
    finally:
        end.transport.abort()
        with suppress(ConnectionError):
            await end.wait_closed()


async def _flow(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
