"""A real, small HTTP proxy: it forwards what is asked for whole, tunnels what is asked by CONNECT, and knows names."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """`asked`: the first lines of what came. `wants`: the value of Proxy-Authorization that it asks for."""

    def __init__(self, port_behind: int, wants: str = "") -> None:
        self.asked: list[str] = []
        self.wants = wants
        self.answer = b""
        """Said instead of all else, where it is set."""
        self._behind = port_behind
        self.url = ""
        self.talking: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talking.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, _, rest = head.partition("\r\n")
            self.asked.append(first)
            found = re.search(r"(?im)^proxy-authorization: (.+?)\r$", rest)
            if self.answer or (self.wants and (found is None or found[1] != self.wants)):
                said = self.answer or b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
                writer.write(said)
                return await writer.drain()
            there, back = await asyncio.open_connection("127.0.0.1", self._behind)
            if first.startswith("CONNECT"):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                method, url, version = first.split(" ")
                path = re.sub(r"^http://[^/]*", "", url)
                back.write(f"{method} {path} {version}\r\nConnection: close\r\n{rest}".encode())
            try:
                await asyncio.gather(_pour(reader, back), _pour(there, writer))
            finally:
                back.close()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return None
        finally:
            writer.close()
            self.talking.discard(task)


async def _pour(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            into.write(data)
            await into.drain()
    into.close()


@asynccontextmanager
async def proxy(port_behind: int, wants: str = "") -> AsyncIterator[Proxy]:
    """A proxy behind which every name is this port of the machine."""
    made = Proxy(port_behind, wants)
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        talking = list(made.talking)
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking)
        await server.wait_closed()
