"""A far side that misbehaves for a while, each time in one way, and then takes everything as it should."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

_ID = re.compile(rb"(?i)^x-boxbridge-id: (\S+)", re.MULTILINE)
_LENGTH = re.compile(rb"(?i)^content-length: (\d+)", re.MULTILINE)

Mood = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "FarSide"], Awaitable[None]]


class FarSide:
    """What it saw. `mood`: how it answers; None as it should."""

    def __init__(self, mood: Mood | None) -> None:
        self.mood = mood
        self.requests = 0
        self.sent = 0
        """Bytes of misbehaving answers."""
        self.got: Counter[str] = Counter()
        """How often each event came whole and was, or will be, taken."""
        self.port = 0
        self._talking: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                if self.mood is early:
                    return writer.transport.abort()
                length, found = _LENGTH.search(head), _ID.search(head)
                assert length is not None
                assert found is not None
                await reader.readexactly(int(length[1]))
                if self.mood is not refusing:
                    self.got[found[1].decode()] += 1
                if self.mood is None:
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                    await writer.drain()
                else:
                    await self.mood(reader, writer, self)
                    if self.mood not in keeping:
                        return None
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return None
        finally:
            self._talking.discard(task)
            writer.close()

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Say something, counted."""
        writer.write(data)
        await writer.drain()
        self.sent += len(data)

    async def serve(self, tls: ssl.SSLContext | None = None, talk: Any = None) -> None:
        """Begin, or go on in another way at the same port."""
        await self.stop()
        self._server = await asyncio.start_server(talk or self.talk, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def heal(self, tls: ssl.SSLContext | None = None) -> None:
        """Behave from now on, on new connections: the old ones are gone, as after a restart."""
        self.mood = None
        await self.serve(tls)

    async def stop(self) -> None:
        """Leave the port and hang up on everybody."""
        if self._server is None:
            return
        self._server.close()
        talking = list(self._talking)
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking)
        await self._server.wait_closed()


@asynccontextmanager
async def far_side(mood: Mood | None, tls: ssl.SSLContext | None = None) -> AsyncIterator[FarSide]:
    """One that listens."""
    side = FarSide(mood)
    await side.serve(tls)
    try:
        yield side
    finally:
        await side.stop()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: FarSide) -> None:
    await reader.read()


async def early(_: asyncio.StreamReader, __: asyncio.StreamWriter, ___: FarSide) -> None:
    """Hangs up before the body: `talk` does that."""


async def cut_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Le")


async def cut_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def slow_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
        await side.send(writer, bytes([byte]))
        await asyncio.sleep(1)


async def slow_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    while True:
        await side.send(writer, b"x")
        await asyncio.sleep(1)


async def endless_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\n")
    while True:
        await side.send(writer, b"X-More: " + b"x" * 10_000 + b"\r\n")


async def endless_wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    while True:
        await side.send(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        await asyncio.sleep(0.01)


async def endless_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await side.send(writer, b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


async def huge(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _number in range(100):
        await side.send(writer, b"x" * 1_000_000)


async def too_long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfour")
    await reader.read()


async def too_short(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmore than two")


async def no_length(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")


async def redirecting(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    where = f"http://127.0.0.1:{side.port}/hook"
    await side.send(
        writer, f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
    )


async def busy(_: asyncio.StreamReader, writer: asyncio.StreamWriter, side: FarSide) -> None:
    await side.send(writer, b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")


refusing = redirecting
keeping = (too_short, redirecting, busy)
"""Moods that leave the connection open."""
