"""The devices' door on a real socket, with the rooms behind it, and raw connections to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bridge import Output
from bridge.listener import Listener, tcp_socket
from bridge.protocols.skill import PATH
from bridge.receiver import http
from bridge.receiver.guard import GuardedProtocol
from bridge.receiver.seats import Seats
from bridge.testing import Box
from bridge.testing.ports import HOST, free_port
from tests.rooms import Rooms, opened

HANDSHAKE = (
    b"GET /any HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""How a connection becomes a WebSocket."""


class Door:
    """Where devices push to."""

    def __init__(self, rooms: Rooms, door: http.Door, listener: Listener, port: int) -> None:
        self.rooms = rooms
        self.door = door
        self.listener = listener
        self.port = port

    def box(self, path: str = PATH) -> Box:
        """A box that pushes to this path."""
        return Box(f"http://{HOST}:{self.port}{path}")

    async def talk(self, data: bytes, *, end: bool = False) -> bytes:
        """Send bytes on a connection of its own and read until the far side closes it; `end`: hang up after sending."""
        async with self.connected() as (reader, writer):
            writer.write(data)
            await writer.drain()
            if end:
                writer.write_eof()
            return await reader.read()

    @asynccontextmanager
    async def connected(
        self, come_from: str = HOST
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A raw connection, from this address."""
        reader, writer = await asyncio.open_connection(HOST, self.port, local_addr=(come_from, 0))
        try:
            async with asyncio.timeout(10):
                yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def request(body: bytes, *headers: str, method: str = "POST", path: str = PATH, length: int | None = None) -> bytes:
    """A request that wants the connection closed after the answer. `length`: declared, if not the true one."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, finish: bool = True) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + (b"0\r\n\r\n" if finish else b"")


class Refusal(msgspec.Struct):
    """An answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The vendor's answer."""
        return msgspec.json.decode(self.body, type=dict[str, Any])


def parsed(answer: bytes) -> Refusal:
    """Take an answer apart."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return Refusal(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)


@asynccontextmanager
async def door_to(
    folder: Path,
    *outputs: type[Output],
    max_body: int | None = None,
    seats: Seats | None = None,
    protocol: Any = GuardedProtocol,
) -> AsyncIterator[Door]:
    """The door, open for a while."""
    async with opened(folder, *outputs) as rooms:
        if max_body is not None:
            server = msgspec.structs.replace(rooms.settings.server, max_body=max_body)
            rooms.intake.settings = msgspec.structs.replace(rooms.settings, server=server)
        port = free_port()
        door = http.Door(rooms.intake)
        door.seats = seats or door.seats
        listener = Listener(door, [tcp_socket(f"{HOST}:{port}")], protocol)
        await listener.start()
        try:
            yield Door(rooms, door, listener, port)
        finally:
            await listener.stop()
