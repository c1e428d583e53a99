"""Over HTTP: what is taken, how it is refused, and that nothing half-received is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from bridge import Answer, Push, Size
from bridge.protocols.skill import PATH
from bridge.receiver import intake
from bridge.testing import draw_scene, sample_push
from tests.receiver.doors import chunked, door_to, parsed, request
from tests.rooms import Disk, Far, async_output, until

pytestmark = pytest.mark.anyio


async def test_a_box_pushes_over_one_connection_and_is_answered_each_time(tmp_path: Path) -> None:
    far = Far()
    async with door_to(tmp_path, async_output("sink", far)) as door, door.box() as box:
        body = sample_push(picture=draw_scene(seed=1))
        for sent in (body, sample_push(small=True), body):
            answer = await box.push(sent)
            assert answer.success
            assert answer.headers["content-type"] == "application/json"
            assert "connection" not in answer.headers
        await until(lambda: len(far.taken) == 2)
        assert await far.taken[0].original.read() == body


async def test_an_answers_head_and_body_arrive_together(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        for msg_id in ("m-1", "m-2", "m-3"):
            async with door.connected() as (reader, writer):
                writer.write(request(sample_push(small=True, msg_id=msg_id)))
                assert parsed(await reader.read(65536)).envelope["msg_id"] == msg_id


@pytest.mark.parametrize("path", ["/dataPush/DataReportCB", "/", "/any/where?x=1", "/%E8%BD%A6"])
async def test_a_known_envelope_is_taken_on_any_path(tmp_path: Path, path: str) -> None:
    async with door_to(tmp_path) as door, door.box(path) as box:
        assert (await box.push(sample_push(small=True))).success


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_the_method_does_not_matter(tmp_path: Path, method: str) -> None:
    async with door_to(tmp_path) as door:
        answer = parsed(await door.talk(request(sample_push(small=True), method=method)))
    assert (answer.status, answer.envelope["code"]) == (200, 0)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_probe_is_answered_with_200(tmp_path: Path, method: str) -> None:
    async with door_to(tmp_path) as door:
        assert parsed(await door.talk(request(b"", method=method, path="/"))).status == 200


async def test_success_is_answered_only_after_the_record_is_on_disk(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.box() as box:
        for number in range(10):
            assert (await box.push(sample_push(small=True, msg_id=f"m-{number}"))).success
            assert any(f"m-{number}".encode() in file.read_bytes() for file in (tmp_path / "journal").glob("*.seg"))


async def test_chunks_are_joined(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        body = sample_push(small=True, msg_id="m-1")
        pieces = chunked(body[:1], body[1:700], body[700:])
        answer = parsed(await door.talk(request(pieces, "Transfer-Encoding: chunked")))
        assert answer.envelope["code"] == 0
        assert door.rooms.heard.accepted[0].msg_id == "m-1"


async def test_a_body_that_arrives_in_pieces_is_joined(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        data = request(sample_push(small=True))
        for start in range(0, len(data), 700):
            writer.write(data[start : start + 700])
            await writer.drain()
            await asyncio.sleep(0.001)
        assert parsed(await reader.read()).envelope["code"] == 0


async def test_a_sender_that_waits_for_100_continue_gets_it(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        head, _, body = request(sample_push(small=True), "Expect: 100-continue").partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 Continue")
        writer.write(body)
        assert parsed(await reader.read()).status == 200


async def test_a_sender_that_offers_http_2_is_served(tmp_path: Path) -> None:
    body = sample_push(small=True, msg_id="m-1")
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        writer.write(request(body, *offer).replace(b"Connection: close\r\n", b""))
        answer = parsed(await reader.readuntil(b"}"))
        assert (answer.status, answer.envelope["msg_id"]) == (200, "m-1")
        writer.write(request(body))
        assert parsed(await reader.read()).status == 200


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\r\nUp", b"\r\nUpgrade:", b"\r\nUpgrade: h2", b"\r\nUpgrade: h2c"])
async def test_an_offer_of_http_2_that_comes_in_two_pieces_is_no_hindrance(tmp_path: Path, end: bytes) -> None:
    data = request(sample_push(small=True, msg_id="m-1"), "Connection: Upgrade", "Upgrade: h2c")
    data = data.replace(b"Connection: close\r\n", b"")
    at = data.index(b"\r\nUpgrade: h2c") + len(end)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        for piece in (data[:at], data[at:]):
            writer.write(piece)
            await writer.drain()
            await door.talk(request(b"", method="GET"))
        answer = parsed(await reader.readuntil(b"}"))
        assert (answer.status, answer.envelope["msg_id"]) == (200, "m-1")


async def test_headers_that_come_byte_by_byte_are_read(tmp_path: Path) -> None:
    head, _, body = request(sample_push(small=True), "Upgrade: h2c", "X-Empty:").partition(b"\r\n\r\n")
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        for byte in head + b"\r\n\r\n" + body[:20]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.0005)
        writer.write(body[20:])
        assert parsed(await reader.read()).status == 200


# --- Refusals


NO_HTTP = {
    "no request line": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "a header without a name": f"POST {PATH} HTTP/1.1\r\n: x\r\n\r\n".encode(),
    "a length that is none": request(b"{}").replace(b"Length: 2", b"Length: many"),
    "a chunk that is none": request(b"zz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "nonsense in the middle of a body": request(b"5\r\n{}   \r\nzz\r\n", "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_what_is_no_http_is_refused_in_the_vendor_s_form_and_counted(tmp_path: Path, sent: bytes) -> None:
    async with door_to(tmp_path) as door:
        with structlog.testing.capture_logs() as log:
            for _ in range(2):
                answer = parsed(await door.talk(sent))
                assert (answer.status, answer.envelope["code"]) == (400, 400)
                assert answer.envelope["message"].startswith("no HTTP: ")
                assert answer.headers["connection"] == "close"
        assert [(line["event"], line["peer"]) for line in log] == [("push refused", "127.0.0.1")]
        assert door.rooms.intake.pushes[("skill", "refused")] == 2
        assert door.rooms.intake.refused[("127.0.0.1", "no HTTP")] == 2


async def test_nonsense_behind_a_push_does_not_take_its_answer(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        whole = request(sample_push(small=True)).replace(b"Connection: close\r\n", b"")
        answer = parsed(await door.talk(whole + b"\0nonsense\r\n\r\n"))
        assert (answer.status, answer.envelope["code"]) == (200, 0)
        assert door.rooms.intake.pushes[("skill", "stored")] == 1
        assert door.rooms.intake.refused[("127.0.0.1", "no HTTP")] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"hello", "JSON"), (sample_push(small=True)[:-300], "JSON"), (b'{"a": 1}', "wsKey")],
    ids=["not JSON", "cut short", "no wsKey"],
)
async def test_what_is_not_understood_is_refused_with_400(tmp_path: Path, body: bytes, reason: str) -> None:
    async with door_to(tmp_path) as door, door.box() as box:
        answer = await box.push(body)
        assert (answer.status, answer.envelope["code"]) == (400, 400)
        assert reason in answer.envelope["message"]
        assert (await box.push(sample_push(small=True))).success


async def test_a_declared_length_over_the_limit_is_refused_with_413_and_the_connection_closed(tmp_path: Path) -> None:
    async with door_to(tmp_path, max_body=Size("1MB")) as door:
        for _ in range(5):
            async with door.box() as box:
                answer = await box.push(bytes(3_000_000))
                assert (answer.status, answer.envelope["code"]) == (413, 413)
                assert "bytes; max_body is 1000000" in answer.envelope["message"]
                assert answer.headers["connection"] == "close"
        assert door.rooms.intake.pushes == {("skill", "refused"): 5}


async def test_a_sender_that_asks_first_is_refused_before_it_sends(tmp_path: Path) -> None:
    async with door_to(tmp_path, max_body=1000) as door:
        answer = await door.talk(request(b"", "Expect: 100-continue", length=5000))
        assert parsed(answer).status == 413


async def test_chunks_over_the_limit_are_refused_with_413(tmp_path: Path) -> None:
    async with door_to(tmp_path, max_body=1000) as door:
        answer = parsed(await door.talk(request(chunked(bytes(600), bytes(600)), "Transfer-Encoding: chunked")))
        assert (answer.status, answer.envelope["code"]) == (413, 413)
        assert door.rooms.journal.next == 1


async def test_a_body_at_the_limit_is_taken(tmp_path: Path) -> None:
    body = sample_push(small=True)
    async with door_to(tmp_path, max_body=len(body)) as door, door.box() as box:
        assert (await box.push(body)).success


async def test_while_the_journal_takes_nothing_503_says_when_to_come_again(tmp_path: Path, disk: Disk) -> None:
    async with door_to(tmp_path) as door, door.box() as box:
        disk.fail()
        answer = await box.push(sample_push(small=True, msg_id="m-1"))
        assert (answer.status, answer.envelope["code"], answer.envelope["msg_id"]) == (503, 503, "m-1")
        assert answer.headers["retry-after"] == str(intake.RETRY_AFTER_SECONDS)
        assert "No space left on device" in answer.envelope["message"]
        disk.mend()
        await until(lambda: door.rooms.journal.closed_because is None)
        assert (await box.push(sample_push(small=True, msg_id="m-1"))).success


@pytest.mark.parametrize("cut", ["declared", "chunked"])
async def test_a_body_that_is_cut_short_stores_nothing(tmp_path: Path, cut: str) -> None:
    body = sample_push(small=True)
    async with door_to(tmp_path) as door:
        if cut == "declared":
            data = request(body, length=len(body) + 10)
        else:
            data = request(chunked(body, finish=False), "Transfer-Encoding: chunked")
        assert await door.talk(data, end=True) == b""
        await until(lambda: door.rooms.intake.pushes)
        assert door.rooms.intake.pushes == {("skill", "refused"): 1}
        assert door.rooms.intake.refused == {("127.0.0.1", "cut short"): 1}
        assert door.rooms.journal.next == 1
        async with door.box() as box:
            assert (await box.push(body)).success


async def test_credentials_are_taken_out_before_anybody_sees_the_push(tmp_path: Path) -> None:
    seen: list[Push] = []

    async with door_to(tmp_path) as door:
        take = door.rooms.intake.take

        async def watch(push: Push) -> Answer:
            seen.append(push)
            return await take(push)

        door.rooms.intake.take = watch  # type: ignore[method-assign]
        secret = ("Authorization: Basic c2VjcmV0", "Cookie: secret", "X-Api-Key: secret", "Proxy-Authorization: x")
        await door.talk(request(sample_push(small=True), *secret, "X-Other: kept", "x-other: last"))
    (push,) = seen
    assert push.headers["x-other"] == "last"
    assert not {"authorization", "cookie", "x-api-key", "proxy-authorization"} & push.headers.keys()
    assert (push.peer, push.method, push.transport) == ("127.0.0.1", "POST", "http")
    assert b"secret" not in b"".join(file.read_bytes() for file in (tmp_path / "journal").glob("*.seg"))


async def test_a_fault_of_a_normalizer_is_answered_in_the_vendors_form(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.box() as box:
        normalizer = door.rooms.plugins.normalizers["skill"]
        normalizer.parse = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        answer = await box.push(sample_push(small=True))
        assert (answer.status, answer.envelope["code"]) == (500, 500)
        assert "internal error" in answer.envelope["message"]
