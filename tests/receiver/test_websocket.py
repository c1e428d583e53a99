"""Over WebSocket: the same documents and answers as over HTTP, many under way on one connection, all within bounds."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from bridge import Answer, Push
from bridge.receiver import conversation, guard, http, pace
from bridge.testing import draw_scene, sample_push
from tests.receiver.doors import HANDSHAKE, Door, door_to, parsed, request
from tests.rooms import Far, async_output, until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def talking(door: Door, path: str = "/", **options: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket to the door."""
    async with asyncio.timeout(20), connect(f"ws://127.0.0.1:{door.port}{path}", proxy=None, **options) as socket:
        yield socket


def frame(opcode: Opcode, data: bytes, *, mask: bool = True) -> bytes:
    """A frame's bytes, as a box sends it."""
    return Frame(opcode, data).serialize(mask=mask)


async def answer_of(socket: ClientConnection) -> dict[str, Any]:
    """The next answer, which must be text."""
    answer = await socket.recv()
    assert isinstance(answer, str)
    return dict(json.loads(answer))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Nothing that was received gets to the disk before this is set."""
    return asyncio.Event()


def hold(door: Door, held: asyncio.Event) -> list[Push]:
    """Keep all pushes back until the event is set; returns those that came."""
    take, came = door.rooms.intake.take, []

    async def wait(push: Push) -> Answer:
        came.append(push)
        await held.wait()
        return await take(push)

    door.rooms.intake.take = wait  # type: ignore[method-assign]
    return came


# --- What is taken


@pytest.mark.parametrize("path", ["/", "/dataPush/DataReportCB", "/%E8%BD%A6?x=1"])
@pytest.mark.parametrize("text", [True, False], ids=["text", "binary"])
async def test_a_document_is_taken_as_a_frame_on_any_path(tmp_path: Path, path: str, text: bool) -> None:
    far = Far()
    body = sample_push(picture=draw_scene(seed=1), msg_id="m-1")
    async with door_to(tmp_path, async_output("sink", far)) as door, talking(door, path) as socket:
        await socket.send(body, text=text)
        answer = await answer_of(socket)
        assert (answer["code"], answer["msg_id"], answer["wsKey"]) == (0, "m-1", "eventCreateOptimizeResult")
        await until(lambda: far.taken)
        assert await far.taken[0].original.read() == body


async def test_many_channels_talk_on_one_connection_and_are_answered_in_the_order_of_commit(tmp_path: Path) -> None:
    bodies = [sample_push(small=True, channel=number % 16, msg_id=f"m-{number}") for number in range(300)]
    async with door_to(tmp_path) as door, talking(door) as socket:
        for body in bodies:
            await socket.send(body, text=True)
        answers = [await answer_of(socket) for _ in bodies]
        assert {answer["code"] for answer in answers} == {0}
        stored = [event.msg_id for event in door.rooms.heard.accepted]
        assert [answer["msg_id"] for answer in answers] == stored
        assert sorted(stored) == sorted(f"m-{number}" for number in range(300))


async def test_a_message_may_come_in_many_frames_with_pings_between(tmp_path: Path) -> None:
    body = sample_push(small=True, msg_id="m-1")
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    sent = b"".join(
        Frame(Opcode.CONT if number else Opcode.TEXT, piece, fin=number == len(pieces) - 1).serialize(mask=True)
        + frame(Opcode.PING, b"?")
        for number, piece in enumerate(pieces)
    )
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        for at in range(0, len(sent), 700):
            writer.write(sent[at : at + 700])
            await asyncio.sleep(0)
        assert b'"m-1"' in await reader.readuntil(b"}")


async def test_what_comes_in_one_piece_with_the_handshake_is_read(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE + frame(Opcode.BINARY, sample_push(small=True, msg_id="m-1")))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert b'"m-1"' in await reader.readuntil(b"}")


async def test_a_connection_that_pushed_over_http_may_become_a_websocket(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(request(sample_push(small=True)).replace(b"Connection: close\r\n", b""))
        await reader.readuntil(b"}")
        writer.write(HANDSHAKE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


async def test_the_push_says_how_it_came_and_holds_no_credentials(tmp_path: Path, held: asyncio.Event) -> None:
    headers = {"Authorization": "Basic c2VjcmV0", "X-Other": "kept"}
    async with door_to(tmp_path) as door, talking(door, "/a?b=c", additional_headers=headers) as socket:
        came = hold(door, held)
        held.set()
        await socket.send(sample_push(small=True))
        await answer_of(socket)
    (push,) = came
    assert (push.transport, push.path, push.query, push.peer) == ("websocket", "/a", "b=c", "127.0.0.1")
    assert push.headers["x-other"] == "kept"
    assert not [name for name in push.headers if name.startswith(("sec-", "auth", "upgr", "conn"))]


async def test_a_box_that_names_a_protocol_of_its_own_gets_it(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, talking(door, subprotocols=["boxes", "others"]) as socket:
        assert socket.subprotocol == "boxes"


# --- What is refused


@pytest.mark.parametrize("sent", [b"hello", b"", b'{"a": 1}', b"\xff\xfe\x00"])
async def test_what_is_not_understood_is_refused_and_the_next_is_taken(tmp_path: Path, sent: bytes) -> None:
    async with door_to(tmp_path) as door, talking(door) as socket:
        await socket.send(sent, text=True)
        answer = await answer_of(socket)
        assert answer["code"] == 400
        await socket.send(sample_push(small=True))
        assert (await answer_of(socket))["code"] == 0


async def test_a_frame_at_the_limit_is_taken_and_one_beyond_it_refused_and_the_connection_closed(
    tmp_path: Path,
) -> None:
    body = sample_push(small=True)
    async with door_to(tmp_path, max_body=len(body)) as door:
        async with talking(door) as socket:
            await socket.send(body)
            assert (await answer_of(socket))["code"] == 0
        for size in (len(body) + 1, 1_000_000):
            async with talking(door) as socket:
                await socket.send(bytes(size))
                answer = await answer_of(socket)
                assert (answer["code"], "max_body" in answer["message"]) == (413, True)
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1009


async def test_what_a_frame_only_declares_takes_no_room(tmp_path: Path) -> None:
    async with door_to(tmp_path, max_body=100_000) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE + b"\x82\xff" + (2**62).to_bytes(8, "big") + bytes(4))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(30):
            writer.write(bytes(4_000))
        assert b'"code":413' in await reader.readuntil(b"}")


async def test_a_half_received_frame_goes_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODIES_BYTES", 0)
    half = frame(Opcode.BINARY, bytes(90_000))[:80_000]
    async with door_to(tmp_path, max_body=100_000) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE + half)
        await reader.readuntil(b"\r\n\r\n")
        async with door.connected() as (other_reader, other_writer):
            other_writer.write(HANDSHAKE + half)
            await other_reader.readuntil(b"\r\n\r\n")
            assert b'"code":503' in await other_reader.readuntil(b"}")
            assert (await other_reader.read())[2:4] == b"\x03\xf5"  # closed with 1013
        writer.write(frame(Opcode.BINARY, bytes(90_000))[80_000:])
        assert b'"code":400' in await reader.readuntil(b"}")


async def test_a_frame_that_the_protocol_forbids_ends_the_connection_with_a_line_that_says_why(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with door_to(tmp_path) as door, door.connected() as (reader, writer):
            writer.write(HANDSHAKE + frame(Opcode.TEXT, b"{}", mask=False) * 3)
            await reader.readuntil(b"\r\n\r\n")
            assert (await reader.read())[2:4] == b"\x03\xea"  # 1002
    (line,) = [line for line in log if line["event"] == "connection cut"]
    assert (line["peer"], "masking" in line["reason"]) == ("127.0.0.1", True)


async def test_a_fault_of_a_normalizer_is_answered_in_the_vendors_form(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, talking(door) as socket:
        normalizer = door.rooms.plugins.normalizers["skill"]
        normalizer.parse = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        await socket.send(sample_push(small=True))
        assert (await answer_of(socket))["code"] == 500


async def test_a_connection_that_ends_within_a_message_is_counted(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        await door.talk(HANDSHAKE + frame(Opcode.TEXT, sample_push(small=True))[:-1], end=True)
        await until(lambda: door.rooms.intake.refused == {("127.0.0.1", "cut short"): 1})


# --- Requests that only look like a handshake


LOOKALIKES = (
    ("Connection: Upgrade", "Upgrade: websocket"),
    ("Upgrade: websocket",),
    ("Connection: upgrade", "Upgrade: foo"),
)


@pytest.mark.parametrize("offer", LOOKALIKES, ids=["websocket", "no connection header", "another protocol"])
async def test_a_push_that_offers_another_protocol_is_answered_like_any(
    tmp_path: Path, offer: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        for number in range(3):
            body = sample_push(small=True, msg_id=f"m-{number}")
            writer.write(request(body, *offer).replace(b"Connection: close\r\n", b""))
            answer = parsed(await reader.readuntil(b"}"))
            assert (answer.status, answer.envelope["msg_id"]) == (200, f"m-{number}")
    assert not [record for record in caplog.records if record.levelno >= logging.INFO and record.name != "bridge"]


async def test_a_probe_that_offers_websocket_without_a_key_is_answered_with_200(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        probe = request(b"", "Connection: Upgrade", "Upgrade: websocket", method="GET")
        answer = await door.talk(probe.replace(b"Connection: close\r\n", b"") + request(b"", method="GET"))
        assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "handshake",
    [HANDSHAKE.replace(b"Version: 13", b"Version: 99"), HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short")],
    ids=["version", "key"],
)
async def test_a_wrong_handshake_is_refused_with_a_line_that_says_why(tmp_path: Path, handshake: bytes) -> None:
    with structlog.testing.capture_logs() as log:
        async with door_to(tmp_path) as door:
            assert parsed(await door.talk(handshake)).status == 400
    assert [line["peer"] for line in log if line["event"] == "connection cut"] == ["127.0.0.1"]


async def test_many_offers_in_one_piece_are_answered_one_after_the_other(tmp_path: Path) -> None:
    one = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    async with door_to(tmp_path) as door:
        answers = await door.talk(one * 2000 + request(b"", method="GET"))
    assert answers.count(b"HTTP/1.1 200 OK") == 2001


# --- Deadlines and bounds


@pytest.mark.parametrize(
    "sent",
    [HANDSHAKE[:-2], HANDSHAKE + b"\x82", HANDSHAKE + frame(Opcode.TEXT, bytes(1000))[:-1]],
    ids=["half a handshake", "half a frame's head", "half a frame"],
)
async def test_a_sender_that_stops_half_way_is_cut(
    tmp_path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(pace, "SPAN_SECONDS", 0.2)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(sent)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(100_000)


async def test_the_headers_of_a_handshake_are_bounded(tmp_path: Path) -> None:
    long = HANDSHAKE.replace(b"Host: x", b"X: " + b"a" * guard.HEADER_BYTES)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(long)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(10)


async def test_empty_fragments_without_end_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(pace, "SPAN_SECONDS", 0.2)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE + Frame(Opcode.TEXT, b"{", fin=False).serialize(mask=True))
        cut = asyncio.create_task(reader.read())
        while not cut.done():
            writer.write(Frame(Opcode.CONT, b"", fin=False).serialize(mask=True))
            await asyncio.sleep(0.01)
        await asyncio.gather(cut, return_exceptions=True)


async def test_a_flood_of_tiny_frames_leaves_others_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, turns = conversation.Conversation._take_messages, [0]

    def counted(self: conversation.Conversation) -> None:
        turns[-1] += 1
        taken(self)

    async def others() -> None:
        while True:
            turns.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(conversation.Conversation, "_take_messages", counted)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        flood = HANDSHAKE + frame(Opcode.TEXT, b"") + frame(Opcode.PONG, b"") * 20_000
        ticking = asyncio.create_task(others())
        writer.write(flood + frame(Opcode.CLOSE, b""))
        assert (await reader.read()).startswith(b"HTTP/1.1 101")
        ticking.cancel()
    assert sum(turns) >= 20_000
    assert max(turns) <= conversation.FRAMES_A_TURN


async def test_what_piles_up_is_not_read(tmp_path: Path, held: asyncio.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "BYTES_UNDER_WAY", 1_000_000)
    bodies = [sample_push(small=True, msg_id=f"m-{number}", kind="x" * 150_000) for number in range(60)]
    most = -(-1_000_000 // len(bodies[0]))
    async with door_to(tmp_path) as door, talking(door) as socket:
        came = hold(door, held)

        async def send() -> None:
            for body in bodies:
                await socket.send(body)

        sending = asyncio.create_task(send())
        await until(lambda: len(came) == most)
        await asyncio.sleep(0.3)
        assert (len(came), sending.done()) == (most, False)
        assert door.door._budget.used < 2_000_000
        held.set()
        answers = [await answer_of(socket) for _ in bodies]
        await sending
        assert {answer["code"] for answer in answers} == {0}
        assert len(door.rooms.heard.accepted) == len(bodies)
        await until(lambda: door.door._budget.used == 0)


async def test_senders_wait_before_the_room_for_bodies_is_spent(
    tmp_path: Path, held: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODIES_BYTES", 3_000_000)
    body = sample_push(small=True, kind="x" * 150_000)
    assert 300_000 < len(body) < 320_000

    async with door_to(tmp_path, max_body=400_000) as door, AsyncExitStack() as stack:
        came = hold(door, held)
        sockets = [await stack.enter_async_context(talking(door)) for _ in range(4)]

        async def send(socket: ClientConnection) -> None:
            for _ in range(10):
                await socket.send(body)

        sending = [asyncio.create_task(send(socket)) for socket in sockets]
        await until(door.door._budget.is_tight)
        await asyncio.sleep(0.3)
        most = len(came)
        held.set()
        assert most < 10
        codes = [(await answer_of(socket))["code"] for socket in sockets for _ in range(10)]
        await asyncio.gather(*sending)
        assert set(codes) == {0}


async def test_very_many_small_messages_wait_their_turn(tmp_path: Path, held: asyncio.Event) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        came = hold(door, held)
        writer.write(HANDSHAKE + frame(Opcode.TEXT, b"") * 20_000)
        await until(lambda: came)
        await asyncio.sleep(0.2)
        assert len(came) < 3_000
        held.set()
        left = 20_000
        while left:
            await reader.readuntil(b'"code":400')
            left -= 1


async def test_a_quiet_box_that_answers_pings_stays_and_one_that_does_not_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "PING_SECONDS", 0.1)
    async with door_to(tmp_path) as door, talking(door) as socket, door.connected() as (reader, writer):
        writer.write(HANDSHAKE)
        (received,) = await asyncio.gather(reader.read(), return_exceptions=True)
        if isinstance(received, bytes):
            assert received.endswith(frame(Opcode.PING, b"", mask=False))
        else:
            assert isinstance(received, ConnectionResetError)
        await socket.send(sample_push(small=True))
        assert (await answer_of(socket))["code"] == 0


async def test_a_box_that_never_reads_its_answers_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "PING_SECONDS", 0.2)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        sent = frame(Opcode.TEXT, b"") * 1000
        while not writer.is_closing():
            writer.write(sent)
            try:
                await writer.drain()
            except ConnectionError:
                break


async def test_at_the_end_what_was_received_is_answered_and_the_connection_closed_with_a_word(
    tmp_path: Path, held: asyncio.Event
) -> None:
    async with door_to(tmp_path) as door, talking(door) as socket:
        came = hold(door, held)
        for number in range(20):
            await socket.send(sample_push(small=True, msg_id=f"m-{number}"))
        await until(lambda: len(came) == 20)
        stopping = asyncio.create_task(door.listener.stop())
        await asyncio.sleep(0.05)
        held.set()
        assert {(await answer_of(socket))["msg_id"] for _ in came} == {f"m-{number}" for number in range(20)}
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        await stopping


async def test_at_the_end_a_box_that_does_not_say_goodbye_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "GOODBYE_SECONDS", 0.2)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(3):
            await door.listener.stop()
