"""How an answer leaves: with the head that its normalizer asks for, and no line more."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from bridge.normalizer import Answer
from bridge.protocols.skill import PATH, SkillNormalizer
from bridge.receiver import guard
from tests.receiver.doors import door_to, parsed, request

pytestmark = pytest.mark.anyio


async def test_a_probe_by_head_has_the_head_of_the_answer_and_no_body(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        asked = parsed(await door.talk(request(b"", method="GET")))
        head = parsed(await door.talk(request(b"", method="HEAD")))
    assert (asked.status, asked.body) == (head.status, b"ok") == (200, b"ok")
    assert head.body == b""
    assert head.headers["content-length"] == "2"
    assert head.headers["content-type"] == "text/plain"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", head.headers["date"])
    assert list(head.headers).count("connection") == 1


async def test_answers_of_one_connection_follow_each_other(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        probe = f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        writer.write(probe + probe + request(b"", method="GET"))
        answers = (await reader.read()).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert len(answers) == 3
    assert [b"connection: close" in answer for answer in answers] == [False, False, True]
    assert all(answer.endswith(b"\r\n\r\nok") for answer in answers)


@pytest.mark.parametrize("content_type", ["text/plain\r\nset-cookie: a=b", "文本"], ids=["two lines", "no latin"])
async def test_a_media_type_that_is_none_is_no_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    async with door_to(tmp_path) as door:
        answer = Answer(status=200, body=b"ok", content_type=content_type)
        monkeypatch.setattr(SkillNormalizer, "probe", lambda *_: answer)
        refused = parsed(await door.talk(request(b"", method="GET")))
        monkeypatch.setattr(SkillNormalizer, "probe", lambda *_: msgspec.structs.replace(answer, content_type="a/b"))
        assert parsed(await door.talk(request(b"", method="GET"))).headers["content-type"] == "a/b"
    assert refused.status == 500
    assert "set-cookie" not in refused.headers


async def test_a_connection_whose_request_is_answered_before_it_is_whole_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "HEADER_SECONDS", 0.2)
    async with door_to(tmp_path) as door, door.connected() as (reader, writer):
        for _ in range(3):
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\nok")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            writer.write(b"late")
            await asyncio.sleep(0.3)
        writer.write(b"\r\n")  # begins no request, and yet something is due
        assert await reader.read() == b""
