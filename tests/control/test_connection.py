"""Whoever reaches the port for people may open so many connections, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bridge.control import connection
from bridge.testing.ports import HOST
from tests.control.test_api import push
from tests.daemon import Running, bridge_with
from tests.remains import Ending, hangs_up, left_of, resets, resets_when_answered
from tests.rooms import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of the daemon: others hold connections in other ways."""
    return "asyncio", {"use_uvloop": True}


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(running: Running, said: bytes) -> AsyncIterator[asyncio.StreamReader]:
    port = running.control.base_url.port
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(said.replace(b"HOST", f"{HOST}:{port}".encode()))
        yield reader
    finally:
        writer.close()


def are_cut(readers: list[asyncio.StreamReader]) -> int:
    return sum(reader.at_eof() or reader.exception() is not None for reader in readers)


@pytest.mark.parametrize(
    "said", [b"", b"GET /livez HTTP/1.1\r\n", b"POST /login HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\n\r\ntok"]
)
async def test_who_connects_and_says_nothing_whole_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connection, "_MOST", 8)
    monkeypatch.setattr(connection, "_MOST_OF_ONE", 4)
    async with bridge_with(tmp_path) as running, AsyncExitStack() as held:
        readers = [await held.enter_async_context(connected(running, said)) for _ in range(20)]
        assert (await running.control.get("/livez")).status_code == 200
        await until(lambda: are_cut(readers) == 17)


async def test_a_page_that_shows_events_live_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST", 8)
    monkeypatch.setattr(connection, "_MOST_OF_ONE", 4)
    async with bridge_with(tmp_path) as running, AsyncExitStack() as held:
        live = await held.enter_async_context(connected(running, b"GET /live/stream HTTP/1.1\r\nHost: HOST\r\n\r\n"))
        await live.readuntil(b"\r\n\r\n")
        readers = [await held.enter_async_context(connected(running, b"")) for _ in range(20)]
        await until(lambda: are_cut(readers) == 17)
        event = await push(running)
        await live.readuntil(event.encode())


async def test_headers_without_end_are_cut(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        async with connected(running, b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 100_000) as reader:
            await until(lambda: are_cut([reader]))
        long = await running.control.post("/api/v1/dead/retry", content=b" " * 1_000_000 + b'{"all": true}')
        assert long.status_code == 200


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (b"", hangs_up),
        (b"GET /livez HTTP/1.1\r\n", resets),
        (b"GET /livez HTTP/1.1\r\nHost: HOST\r\n\r\n", resets_when_answered),
        (b"GET /live/stream HTTP/1.1\r\nHost: HOST\r\n\r\n", resets_when_answered),
    ],
)
async def test_nothing_is_left_of_who_has_gone(tmp_path: Path, said: bytes, ending: Ending) -> None:
    async with bridge_with(tmp_path) as running:
        port = running.control.base_url.port
        assert port
        assert await left_of(port, said.replace(b"HOST", f"{HOST}:{port}".encode()), ending) == {}
