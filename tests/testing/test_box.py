"""The fake box pushes as a real one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.testing import Box, sample_push

pytestmark = pytest.mark.anyio

ENVELOPE = b'{"wsKey":"eventCreateOptimizeResult","msg_id":"1","code":0,"message":"success","timestamp":1}'
Requests = list[tuple[int, str, bytes]]


@asynccontextmanager
async def platform(answer: bytes, *, hang_up: bool = False) -> AsyncIterator[tuple[str, Requests]]:
    """A server that gives each push this answer; yields its address and what came: connection, request line, body."""
    requests: Requests = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        number = connections
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                requests.append((number, head.split("\r\n")[0], await reader.readexactly(length)))
                if hang_up:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


def response(status: str, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def test_pushes_go_to_the_vendors_path_over_one_connection() -> None:
    body = sample_push()
    async with platform(response("200 OK", ENVELOPE)) as (url, requests), Box(url) as box:
        answers = [await box.push(body), await box.push(body)]
    assert all(answer.success for answer in answers)
    assert answers[0].envelope["msg_id"] == "1"
    assert requests == [(1, "POST /dataPush/DataReportCB HTTP/1.1", body)] * 2


async def test_a_refusal_is_an_answer() -> None:
    refusal = ENVELOPE.replace(b'"code":0', b'"code":503')
    busy = response("503 Service Unavailable", refusal, "Retry-After: 5\r\n")
    async with platform(busy) as (url, requests), Box(f"{url}/elsewhere?token=x") as box:
        answer = await box.push(b"{}")
    assert (answer.status, answer.success, answer.headers["retry-after"]) == (503, False, "5")
    assert requests[0][1] == "POST /elsewhere?token=x HTTP/1.1"


async def test_after_a_close_or_a_broken_connection_the_next_push_connects_anew() -> None:
    async with platform(response("200 OK", ENVELOPE, "Connection: close\r\n")) as (url, requests), Box(url) as box:
        await box.push(b"{}")
        await box.push(b"{}")
    assert [number for number, _, _ in requests] == [1, 2]
    async with platform(b"", hang_up=True) as (url, requests), Box(url) as box:
        for _ in range(2):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await box.push(b"{}")
    assert [number for number, _, _ in requests] == [1, 2]
