"""No sender, however slow or large, keeps an honest box from being heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog

from bridge.receiver import guard, pace, pipelined
from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.receiver.doors import Door, door_to, parsed, request

pytestmark = pytest.mark.anyio


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """The devices' door."""
    async with door_to(tmp_path) as door:
        yield door


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are short."""
    monkeypatch.setattr(guard, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(pace, "SPAN_SECONDS", 0.2)


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Wait until the far side has cut the connection without a word."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def connections(door: Door) -> list[object]:
    """The connections that the door holds."""
    return list(door.listener._server.server_state.connections)


SLOW = {
    "silent": b"",
    "half a request line": b"POST /data",
    "half the headers": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le",
    "only blank lines": b"\r\n\r\n",
    "no body": request(b"", length=1000),
    "half a body": request(b"x" * 50, length=1000),
    "half a chunk": request(b"ff\r\nx", "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
async def test_a_sender_that_stops_half_way_is_cut_while_an_honest_box_is_served(
    door: Door, impatient: None, sent: bytes
) -> None:
    async with door.connected() as (reader, writer), door.box() as box:
        writer.write(sent)
        assert (await box.push(sample_push(small=True))).success
        assert await is_cut(reader)
        assert (await box.push(sample_push(small=True))).success


async def test_a_sender_that_stops_after_an_honest_request_is_cut(door: Door, impatient: None) -> None:
    async with door.connected() as (reader, writer):
        writer.write(request(sample_push(small=True)).replace(b"Connection: close\r\n", b""))
        assert parsed(await reader.readuntil(b"}")).status == 200
        writer.write(b"\r\n")
        assert await is_cut(reader)


async def test_a_body_that_drips_is_cut(door: Door, impatient: None) -> None:
    async with door.connected() as (reader, writer):
        writer.write(request(b"", length=100_000))
        cut = asyncio.create_task(is_cut(reader))
        while not cut.done():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        assert await cut


async def test_a_body_that_is_slow_but_steady_is_taken(door: Door, impatient: None) -> None:
    body = sample_push(small=True)
    async with door.connected() as (reader, writer):
        head, _, body = request(body).partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        began = time.monotonic()
        for start in range(0, len(body), 200):
            writer.write(body[start : start + 200])
            await writer.drain()
            await asyncio.sleep(0.04)
        assert parsed(await reader.read()).status == 200
        assert time.monotonic() - began > 0.4


async def test_a_body_that_keeps_the_least_rate_for_ever_is_cut(
    door: Door, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.4)
    monkeypatch.setattr(pace, "RATE", 500)
    async with door.connected() as (reader, writer):
        writer.write(request(b"", length=16_000_000))
        cut = asyncio.create_task(is_cut(reader))
        while not cut.done():
            writer.write(b"x" * 20)  # some 1,500 bytes a second
            await asyncio.sleep(0.01)
        assert await cut


async def test_a_box_that_is_quiet_between_pushes_is_not_cut(door: Door, impatient: None) -> None:
    async with door.box() as box:
        assert (await box.push(sample_push(small=True))).success
        (connection,) = connections(door)
        await asyncio.sleep(0.5)
        assert (await box.push(sample_push(small=True))).success
        assert connections(door) == [connection]


FLOODS = {
    "one endless header": b"POST / HTTP/1.1\r\nX: " + b"a" * 2_000_000,
    "an endless request line": b"POST /" + b"a" * 2_000_000,
    "very many headers": b"POST / HTTP/1.1\r\n" + b"a:\r\n" * 500_000,
    "endless blank lines": b"\r\n" * 1_000_000,
    "an endless chunk extension": request(b"5;" + b"a" * 2_000_000, "Transfer-Encoding: chunked"),
    "an endless trailer": request(b"0\r\n" + b"a: b\r\n" * 400_000, "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("sent", FLOODS.values(), ids=FLOODS.keys())
async def test_headers_without_end_are_cut_at_once_and_said_once(door: Door, sent: bytes) -> None:
    with structlog.testing.capture_logs() as log:
        began = time.monotonic()
        async with door.connected() as (reader, writer), door.box() as box:
            writer.write(sent)
            try:
                answer = await reader.read()
            except ConnectionResetError:
                answer = b""
            assert answer == b"" or parsed(answer).status == 400
            assert (await box.push(sample_push(small=True))).success
        assert time.monotonic() - began < 2
    assert len([line for line in log if line["event"] == "connection cut"]) <= 1
    assert door.rooms.intake.pushes[("skill", "stored")] == 1


PROBE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_who_asks_without_end_and_never_waits_for_an_answer_is_cut(door: Door) -> None:
    async with door.connected() as (reader, writer):
        writer.write(PROBE * 500)
        for _ in range(500):
            assert (await reader.readuntil(b"\r\n\r\n")).removeprefix(b"ok").startswith(b"HTTP/1.1 200")
    with structlog.testing.capture_logs() as log:
        async with door.connected() as (reader, writer):
            writer.write(PROBE * 7000)
            assert await is_cut(reader)
    assert [line["reason"] for line in log] == ["too many requests before the first one is answered"]


async def test_nothing_more_is_read_while_requests_wait(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelined, "MOST_WAITING", 1_000_000)
    waiting = [0]
    answered = pipelined.Pipelined.on_response_complete

    def counted(self: pipelined.Pipelined) -> None:
        waiting.append(len(self.pipeline))
        answered(self)

    monkeypatch.setattr(pipelined.Pipelined, "on_response_complete", counted)
    async with door.connected() as (reader, writer):
        writer.write(PROBE * 30_000)
        writer.write_eof()
        while len(waiting) < 8_000:
            assert await reader.read(65_536)
    assert max(waiting) <= 262_144 // len(PROBE)


async def test_a_body_in_crumbs_is_cut(door: Door) -> None:
    few = b"".join(b"1\r\n%c\r\n" % byte for byte in sample_push(small=True)) + b"0\r\n\r\n"
    assert parsed(await door.talk(request(few, "Transfer-Encoding: chunked"))).status == 200
    with structlog.testing.capture_logs() as log:
        async with door.connected() as (reader, writer):
            writer.write(request(b"1\r\nx\r\n" * 30_000, "Transfer-Encoding: chunked"))
            assert await is_cut(reader)
    assert log[0]["reason"] == "the body comes in crumbs"


async def test_many_connections_of_one_address_that_are_cut_are_one_line(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "HEADER_SECONDS", 0.05)
    with structlog.testing.capture_logs() as log:
        async with AsyncExitStack() as held:
            readers = [(await held.enter_async_context(door.connected()))[0] for _ in range(20)]
            for reader in readers:
                assert await is_cut(reader)
    assert [(line["peer"], line["reason"]) for line in log if line["event"] == "connection cut"] == [
        (HOST, "the request did not arrive in time")
    ]


async def test_honest_headers_of_some_length_pass(door: Door) -> None:
    headers = [f"X-{number}: {'a' * 1000}" for number in range(20)]
    assert parsed(await door.talk(request(sample_push(small=True), *headers))).status == 200


async def test_each_request_of_a_connection_has_the_whole_bound_for_its_headers(door: Door) -> None:
    async with door.box() as box:
        for _ in range(5):
            assert (await box.push(sample_push(small=True), {"X-Long": "a" * 20_000})).success


async def test_many_slow_senders_do_not_keep_an_honest_box_waiting(door: Door) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(200)]
    for _, writer in slow:
        writer.write(request(b"x" * 1000, length=200_000))
    async with door.box() as box:
        began = time.monotonic()
        for _ in range(20):
            assert (await box.push(sample_push(small=True))).success
        assert time.monotonic() - began < 2
    for _, writer in slow:
        writer.transport.abort()
