"""TLS for devices: pushes through it, and connections that never agree on it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import structlog
from websockets.asyncio.client import connect

from bridge.config.certificate import tls_context
from bridge.receiver import tls
from bridge.receiver.guard import GuardedProtocol
from bridge.receiver.seats import Seats
from bridge.receiver.tls import Secured
from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.certificates import self_signed
from tests.receiver.doors import Door, door_to, parsed, request
from tests.receiver.test_guard import connections, is_cut
from tests.rooms import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of the daemon: others end connections in other ways."""
    return "asyncio", {"use_uvloop": True}


@asynccontextmanager
async def secured(folder: Path, cert: Path, key: Path, most: int = 100) -> AsyncIterator[Door]:
    """A door with TLS."""
    protocol = Secured(tls_context(cert, key), GuardedProtocol)
    async with door_to(folder, seats=Seats(most), protocol=protocol) as door:
        yield door


async def push(door: Door, authority: Path, body: bytes) -> int:
    """Push over a connection that trusts this authority; returns the status."""
    context = ssl.create_default_context(cafile=authority)
    reader, writer = await asyncio.open_connection(HOST, door.port, ssl=context)
    try:
        writer.write(request(body))
        return parsed(await reader.read()).status
    finally:
        writer.close()
        await writer.wait_closed()


async def test_pushes_large_and_small_are_taken_and_their_seats_left(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    async with secured(tmp_path, cert, key) as door:
        assert await push(door, cert, sample_push(small=True)) == 200
        assert await push(door, cert, sample_push()) == 200
        await until(lambda: not connections(door))
        assert not door.door.seats._all.seats


async def test_a_websocket_speaks_through_it_and_keeps_one_seat(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    context = ssl.create_default_context(cafile=cert)
    async with secured(tmp_path, cert, key) as door:
        async with connect(f"wss://{HOST}:{door.port}/", proxy=None, ssl=context) as socket:
            await socket.send(sample_push(small=True))
            assert '"code":0' in str(await socket.recv())
            assert len(door.door.seats._all.seats) == 1
        await until(lambda: not door.door.seats._all.seats)


async def test_who_never_agrees_is_cut_and_gives_way_before_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = self_signed(tmp_path)
    async with secured(tmp_path, cert, key, most=5) as door, AsyncExitStack() as held:
        silent = [await held.enter_async_context(door.connected()) for _ in range(5)]
        await until(lambda: len(door.door.seats._all.seats) == 5)
        assert await push(door, cert, sample_push(small=True)) == 200
        assert await is_cut(silent[0][0])
        monkeypatch.setattr(tls, "AGREE_SECONDS", 0.1)
        async with door.connected() as (reader, _):
            assert await is_cut(reader)


async def test_a_stop_does_not_wait_for_who_never_agrees(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    async with secured(tmp_path, cert, key) as door, door.connected() as (reader, _):
        await until(lambda: len(connections(door)) == 1)
        async with asyncio.timeout(5):
            await door.listener.stop()
        assert await is_cut(reader)


async def test_who_speaks_no_tls_is_cut_with_a_line_that_says_so(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    with structlog.testing.capture_logs() as log:
        async with secured(tmp_path, cert, key) as door:
            assert b"200" not in await door.talk(request(sample_push(small=True)))
            assert await push(door, cert, sample_push(small=True)) == 200
    (line,) = [line for line in log if line["event"] == "connection cut"]
    assert (line["peer"], line["reason"]) == (HOST, "no TLS: HTTP_REQUEST")
