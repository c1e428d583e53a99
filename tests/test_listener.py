"""A listener serves an application on TCP and unix sockets, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import stat
import time
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bridge.errors import FileTrouble
from bridge.listener import Listener, tcp_socket, unix_socket
from bridge.testing.ports import HOST, free_port

pytestmark = pytest.mark.anyio


class Greeter:
    """An application whose answer may be held back."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.application = Starlette(routes=[Route("/", self.greet)])

    async def greet(self, _: Request) -> PlainTextResponse:
        self.asked.set()
        await self.may_answer.wait()
        return PlainTextResponse("hello")


async def get(port: int) -> str:
    async with httpx2.AsyncClient() as client:
        return (await client.get(f"http://{HOST}:{port}/")).text


async def test_one_listener_serves_several_sockets(tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "boxbridge.sock"
    listener = Listener(Greeter().application, [tcp_socket(f"{HOST}:{port}"), unix_socket(path)])
    await listener.start()
    assert await get(port) == "hello"
    async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(path))) as client:
        answer = await client.get("http://boxbridge/")
        assert answer.text == "hello"
        assert "server" not in answer.headers
    await listener.stop()
    assert not path.exists()
    with pytest.raises(httpx2.ConnectError):
        await get(port)


async def test_answers_on_one_connection_come_at_once() -> None:
    port = free_port()
    listener = Listener(Greeter().application, [tcp_socket(f"{HOST}:{port}")])
    await listener.start()
    async with httpx2.AsyncClient() as client:
        seconds = []
        for _ in range(11):
            began = time.monotonic()
            await client.get(f"http://{HOST}:{port}/")
            seconds.append(time.monotonic() - began)
    await listener.stop()
    assert sorted(seconds)[5] < 0.03


async def test_what_was_asked_before_the_end_is_answered() -> None:
    greeter, port = Greeter(), free_port()
    listener = Listener(greeter.application, [tcp_socket(f"{HOST}:{port}")])
    await listener.start()
    greeter.may_answer.clear()
    asking = asyncio.create_task(get(port))
    await greeter.asked.wait()
    stopping = asyncio.create_task(listener.stop())
    await asyncio.sleep(0.15)
    assert not stopping.done()
    greeter.may_answer.set()
    assert await asking == "hello"
    await stopping


async def test_a_connection_made_before_the_start_is_served() -> None:
    port = free_port()
    listener = Listener(Greeter().application, [tcp_socket(f"{HOST}:{port}")])
    asking = asyncio.create_task(get(port))
    await asyncio.sleep(0.05)
    await listener.start()
    assert await asking == "hello"
    await listener.stop()


async def test_the_port_is_free_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        listener = Listener(Greeter().application, [tcp_socket(f"{HOST}:{port}")])
        await listener.start()
        assert await get(port) == "hello"
        await listener.stop()


def test_a_port_that_is_taken_is_said_with_the_remedy() -> None:
    with socket.create_server((HOST, 0)) as other:
        address = f"{HOST}:{other.getsockname()[1]}"
        with pytest.raises(FileTrouble, match=rf"^can't listen on {address}: .*in use; another program has port"):
            tcp_socket(address)


def test_an_address_of_another_host_is_said_with_the_remedy() -> None:
    with pytest.raises(FileTrouble, match=r"^can't listen on 192\.0\.2\.1:8600: .*; set `listen` to an address of"):
        tcp_socket("192.0.2.1:8600")


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "boxbridge.sock"
    with unix_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "boxbridge.sock"
    unix_socket(path).close()
    assert path.exists()
    unix_socket(path).close()


def test_a_path_that_is_too_long_for_a_socket_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileTrouble, match="is longer than 107 bytes: set a shorter `data`"):
        unix_socket(tmp_path / ("x" * 108))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileTrouble, match=r"^can't listen on .*: No such file or directory; check who owns the folder"):
        unix_socket(tmp_path / "nowhere" / "boxbridge.sock")
