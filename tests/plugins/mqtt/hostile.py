"""A broker that does as a test tells it: never acknowledges, refuses, or closes. It speaks just enough MQTT 5."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 12, 13


class HostileBroker:
    """`on_publish`: the reason code to acknowledge a topic with, or None for silence. The state topic is always fine.

    `connack`: what follows the fixed header of its answer to CONNECT; empty for no answer at all.
    """

    def __init__(
        self, on_publish: Callable[[str], int | None] = lambda _topic: 0, connack: bytes = b"\x00\x00\x00"
    ) -> None:
        self.topics: list[str] = []
        self.unanswered = 0
        """PUBLISH packets that were held without an answer at once, at most."""
        self.on_publish = on_publish
        self._connack = connack
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.add(asyncio.ensure_future(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: list[bytes] = []
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    # what has not yet come in a burst is awaited briefly, so that a sender's window shows
                    try:
                        kind, body = await asyncio.wait_for(_packet(reader), 0.05 if held else None)
                    except TimeoutError:
                        writer.writelines(held)
                        held.clear()
                        continue
                    if kind == CONNECT and self._connack:
                        writer.write(bytes([CONNACK << 4, len(self._connack)]) + self._connack)
                    elif kind == PUBLISH:
                        held += self._answer(body)
                        self.unanswered = max(self.unanswered, len(held))
                    elif kind == PINGREQ:
                        writer.write(bytes([PINGRESP << 4, 0]))
        finally:
            writer.close()

    def _answer(self, body: bytes) -> list[bytes]:
        (length,) = struct.unpack("!H", body[:2])
        topic = body[2 : 2 + length].decode()
        mid = body[2 + length : 4 + length]
        self.topics.append(topic)
        code = 0 if topic.endswith("/state") else self.on_publish(topic)
        return [] if code is None else [bytes([PUBACK << 4, 4]) + mid + bytes([code, 0])]


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    (first,) = await reader.readexactly(1)
    length = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return first >> 4, await reader.readexactly(length)
