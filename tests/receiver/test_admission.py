"""Who may push: by network, by token; and nobody behind the door ever sees the token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge import Secret
from bridge.config.settings import ServerSettings
from bridge.protocols.skill import PATH
from bridge.receiver.admission import FOREIGN, NO_TOKEN, Admission
from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.receiver.doors import Door, door_to, parsed, request

pytestmark = pytest.mark.anyio

TOKEN = "gates-and-cars-7"


def scope(path: str = "/x", query: str = "", peer: str = "192.168.1.7", **headers: str) -> dict[str, Any]:
    return {
        "path": path,
        "query_string": query.encode(),
        "client": (peer, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


@pytest.mark.parametrize(
    ("peer", "taken"),
    [
        ("192.168.1.7", True),
        ("192.169.1.7", False),
        ("10.0.0.9", True),
        ("::ffff:192.168.1.7", True),
        ("fd00::7", True),
        ("fe80::7", False),
        ("", False),
    ],
)
def test_networks(peer: str, taken: bool) -> None:
    admission = Admission(ServerSettings(allow=["192.168.0.0/16", "10.0.0.9", "fd00::/8"]))
    assert admission.refusal(scope(peer=peer)) == ("" if taken else FOREIGN)


@pytest.mark.parametrize(
    ("asked", "path", "query"),
    [
        (scope(f"/{TOKEN}{PATH}"), PATH, b""),
        (scope(f"/{TOKEN}"), "/", b""),
        (scope(PATH, f"token={TOKEN}&channel=1"), PATH, b"channel=1"),
        (scope(PATH, f"a=1&token={TOKEN}"), PATH, b"a=1"),
        (scope(PATH, authorization=f"Bearer {TOKEN}"), PATH, b""),
        (scope(PATH, authorization=f"bearer {TOKEN}"), PATH, b""),
        (scope(f"/{TOKEN}/x", f"token={TOKEN}"), "/x", b""),
    ],
)
def test_a_token_that_is_shown_is_taken_out(asked: dict[str, Any], path: str, query: bytes) -> None:
    assert Admission(ServerSettings(token=Secret(TOKEN))).refusal(asked) == ""
    assert (asked["path"], asked["query_string"]) == (path, query)


@pytest.mark.parametrize(
    "asked",
    [
        scope(),
        scope(f"/x/{TOKEN}"),
        scope(f"/{TOKEN}x/y"),
        scope("/x", "token="),
        scope("/x", f"token={TOKEN[:-1]}"),
        scope("/x", f"other={TOKEN}"),
        scope("/x", authorization=f"Basic {TOKEN}"),
        scope("/\udcff/x"),
    ],
)
def test_without_it_nothing_is_taken(asked: dict[str, Any]) -> None:
    assert Admission(ServerSettings(token=Secret(TOKEN))).refusal(asked) == NO_TOKEN


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A door that wants a token."""
    async with door_to(tmp_path) as opened:
        server = msgspec.structs.replace(opened.rooms.settings.server, token=Secret(TOKEN))
        opened.rooms.intake.settings = msgspec.structs.replace(opened.rooms.settings, server=server)
        yield opened


async def test_a_push_without_the_token_is_refused_in_the_vendor_s_words_and_counted(door: Door) -> None:
    answer = parsed(await door.talk(request(sample_push(small=True))))
    assert (answer.status, answer.envelope["code"], answer.envelope["message"]) == (403, 403, NO_TOKEN)
    assert door.rooms.intake.refused == {(HOST, "not allowed"): 1}
    assert await door.rooms.intake.unknown.entries() == []


async def test_a_push_with_it_is_taken_and_the_token_is_nowhere(door: Door, tmp_path: Path) -> None:
    for path in (f"/{TOKEN}{PATH}?token={TOKEN}", f"/{TOKEN}/elsewhere"):
        body = sample_push(small=True) if PATH in path else b"nonsense"
        await door.talk(request(body, f"Authorization: Bearer {TOKEN}", path=path))
    await door.rooms.intake.unknown.entries()
    assert door.rooms.heard.accepted
    await door.rooms.journal.write_all()
    kept = contents(tmp_path)
    assert len(kept) > 3
    assert [content for content in kept if TOKEN.encode() in content] == []


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


async def test_a_probe_without_it_is_refused_too(door: Door) -> None:
    assert parsed(await door.talk(request(b"", method="GET"))).status == 403


async def test_a_websocket_needs_it_as_well(door: Door) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{HOST}:{door.port}/"):
            pass
    assert refused.value.response.status_code == 403
    assert door.rooms.intake.refused == {(HOST, "not allowed"): 1}
    async with asyncio.timeout(10), connect(f"ws://{HOST}:{door.port}/{TOKEN}/") as socket:
        await socket.send(sample_push(small=True).decode())
        assert msgspec.json.decode(await socket.recv())["code"] == 0
