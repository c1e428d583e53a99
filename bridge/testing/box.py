"""A fake box that pushes over HTTP as a real one does: one connection, kept alive, one push after the other."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from bridge.protocols.skill import PATH


class BoxAnswer(Struct, frozen=True, kw_only=True):
    """What a box got back for a push."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The vendor's answer; raises msgspec.DecodeError where the body is none."""
        return msgspec.json.decode(self.body, type=dict[str, Any])

    @property
    def success(self) -> bool:
        """Whether a real box would forget the push now."""
        return self.status == 200 and self.envelope.get("code") == 0


class Box:
    """Pushes to a URL; where that has no path, to the vendor's default one.

    Use it as `async with Box(url) as box: answer = await box.push(sample_push())`.
    """

    def __init__(self, url: str, *, timeout: float = 30) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        target = (parts.path if parts.path.strip("/") else PATH) + (f"?{parts.query}" if parts.query else "")
        self._head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._timeout = timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def push(self, body: bytes, headers: dict[str, str] | None = None) -> BoxAnswer:
        """Push one body and wait for the answer.

        Raises OSError or asyncio.IncompleteReadError when the connection breaks, TimeoutError when no answer comes;
        the next push connects anew.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = self._streams or await asyncio.open_connection(self._host, self._port, ssl=self._tls)
                self._streams = reader, writer
                writer.write(f"{self._head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = await _read_answer(reader)
        except BaseException:
            self._drop()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        """Close the connection."""
        streams, self._streams = self._streams, None
        if streams:
            streams[1].close()
            try:
                await streams[1].wait_closed()
            except OSError:
                return  # the far side was quicker

    def _drop(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
            self._streams = None


async def _read_answer(reader: asyncio.StreamReader) -> BoxAnswer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return BoxAnswer(status=int(head[0].split(" ", 2)[1]), headers=headers, body=body)
