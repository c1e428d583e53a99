"""Pictures that a push only names: fetched where the configuration allows it; the event comes without them, too."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
import structlog
from structlog.typing import EventDict

from bridge import Event
from bridge.config.protocol import ProtocolSettings
from bridge.normalizer import Key, Parsed
from bridge.protocols.mapper import Mapped
from bridge.receiver import fetching
from bridge.receiver.fetching import AT_ONCE, Fetching, NotFetched, picture_at
from bridge.testing import draw_scene
from bridge.testing.ports import HOST
from tests.receiver.doors import Door, door_to, parsed, request
from tests.rooms import push_of

pytestmark = pytest.mark.anyio

ZONE = ZoneInfo("Asia/Shanghai")
JPEG = draw_scene(seed=3, size=30_000)
MAPPING = ProtocolSettings(
    paths=["/alarm"], device="sn", kind="type", msg_id="id", pictures=["pic"], fetch=["sender"], answer='{"result":0}'
)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded machine is no reason to do without a picture."""
    monkeypatch.setattr(fetching, "SECONDS", 30.0)


def answering(body: bytes, status: str = "200 OK", *headers: str) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = () if any("Length" in header for header in headers) else (f"Content-Length: {len(body)}",)
        lines = [f"HTTP/1.1 {status}", *length, *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return serve


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@asynccontextmanager
async def camera(serve: Serve) -> AsyncIterator[str]:
    """A box's own web server; yields the address of its picture."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, HOST, 0)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}/pic/1.jpg?t=1"
    finally:
        server.close()
        await server.wait_closed()


async def pushed(
    door: Door, link: str | list[str], mapping: ProtocolSettings = MAPPING
) -> tuple[Event, list[EventDict]]:
    """The event of a push that names this picture, and what the log says of it."""
    settings = msgspec.structs.replace(door.rooms.intake.settings, protocol={"north": mapping})
    door.rooms.intake.settings = settings
    body = json.dumps({"sn": "CAM7", "type": "fire", "id": "1", "pic": link}).encode()
    with structlog.testing.capture_logs() as log:
        answer = parsed(await door.talk(request(body, path="/alarm")))
    assert (answer.status, answer.body) == (200, b'{"result":0}')
    (event,) = door.rooms.heard.accepted
    return event, [line for line in log if line["event"] == "a picture could not be fetched"]


async def test_a_picture_is_fetched_from_the_box_that_names_it(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, camera(answering(JPEG)) as link:
        event, log = await pushed(door, link)
        (picture,) = event.pictures
        assert (picture.role, picture.width) == ("scene", 1920)
        assert await picture.read() == JPEG
    assert (event.extra, log) == ({}, [])


async def test_it_is_fetched_from_a_network_that_is_allowed(tmp_path: Path) -> None:
    mapping = msgspec.structs.replace(MAPPING, fetch=["10.0.0.0/8", "127.0.0.0/8"])
    async with door_to(tmp_path) as door, camera(answering(JPEG)) as link:
        event, _ = await pushed(door, link, mapping)
    assert len(event.pictures) == 1


async def test_its_address_may_be_of_any_script(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await answering(JPEG)(reader, writer)

    async with door_to(tmp_path) as door, camera(serve) as link:
        event, log = await pushed(door, link.replace("1.jpg", "北门%20{1}.jpg"))
    assert (len(event.pictures), log) == (1, [])
    assert asked == [b"GET /pic/%E5%8C%97%E9%97%A8%20{1}.jpg?t=1 HTTP/1.1\r\n"]


async def test_a_sender_whose_pictures_never_come_keeps_no_other_waiting() -> None:
    fetching = Fetching()

    async def fetched(peer: str, link: str) -> dict[str, bytes]:
        push = msgspec.structs.replace(push_of(b"{}"), peer=peer)
        told = Parsed(message="", device="box", key=Key("box", "1", b""), wanted=(link,))
        return await fetching.pictures(push, told, 1_000_000)

    async with camera(silent) as hanging, camera(answering(JPEG)) as link:
        waiting = [asyncio.create_task(fetched("10.0.0.1", hanging)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        assert await fetched("10.0.0.2", link) == {link: JPEG}
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


TROUBLES = {
    "another status": (answering(b"gone", "404 Not Found"), "it is answered with HTTP 404"),
    "a redirect": (answering(b"", "302 Found", "Location: http://127.0.0.1:1/"), "it is answered with HTTP 302"),
    "no picture": (answering(b"<html>log in</html>"), "what stands there is no picture"),
    "too large": (answering(JPEG + bytes(2_000_000)), "it has more bytes than `max_body` allows"),
    "no answer": (silent, "it did not come within 0.3 s"),
}


@pytest.mark.parametrize(("serve", "reason"), TROUBLES.values(), ids=TROUBLES.keys())
async def test_what_can_not_be_had_is_said_and_the_event_comes_without_it(
    tmp_path: Path, serve: Serve, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if serve is silent:
        monkeypatch.setattr(fetching, "SECONDS", 0.3)
    async with door_to(tmp_path, max_body=1_000_000) as door, camera(serve) as link:
        event, (line,) = await pushed(door, link)
        assert door.rooms.intake.devices.odd_fields(1) == [("CAM7", "pic", 1)]
    assert (event.pictures, event.extra) == ((), {"pic": link})
    assert (line["device"], line["peer"], line["reason"]) == ("CAM7", HOST, reason)
    assert line["picture"] == link.partition("?")[0]


async def cutting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await answering(JPEG, "200 OK", "Content-Length: 90000")(reader, writer)


async def test_a_picture_that_is_cut_short_is_none(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, camera(cutting) as link:
        event, log = await pushed(door, link)
    assert (event.pictures, len(log)) == ((), 1)


@pytest.mark.parametrize("port", [1, 0, 99999])
async def test_a_box_that_takes_no_connection_is_said(tmp_path: Path, port: int) -> None:
    async with door_to(tmp_path) as door:
        event, log = await pushed(door, f"http://{HOST}:{port}/pic.jpg")
    assert (event.pictures, len(log)) == ((), 1)


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/a.jpg", "a.jpg", "http://127.0.0.1/\ud800", "http://[....]/"])
async def test_what_is_no_address_is_no_fault_of_ours(address: str) -> None:
    with pytest.raises(NotFetched):
        await picture_at(address, 1000)


async def test_a_far_side_that_says_much_is_told_in_short_and_once(tmp_path: Path) -> None:
    said: list[bytes] = []

    async def rambling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        said.append(b"%d" % len(said) + b"\xff" * 5_000 + b"\r\n\r\n")
        writer.write(said[-1])

    mapping = msgspec.structs.replace(MAPPING, pictures=["pic[]"])
    async with door_to(tmp_path) as door, camera(rambling) as link:
        _, (line,) = await pushed(
            door, [link.replace("1.jpg", f"{number}{'a' * 5_000}") for number in range(3)], mapping
        )
    assert len(said) == 3
    assert (line["reason"], len(line["picture"])) == ("illegal status line", 200)


async def test_more_pictures_than_a_push_may_name_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST", 1)
    mapping = msgspec.structs.replace(MAPPING, pictures=["pic[]"])
    async with door_to(tmp_path) as door, camera(answering(JPEG)) as link:
        event, log = await pushed(door, [link, f"{link}2"], mapping)
    assert len(event.pictures) == 1
    assert [line["reason"] for line in log] == ["a push may name 1 of them"]


LINKS = {
    "http://192.168.1.20/a.jpg": True,
    "HTTP://192.168.1.20:8080/a.jpg?x=1": True,
    "http://192.168.1.20": True,
    "http://10.1.2.3/a.jpg": True,
    "http://[fd00::7]/a.jpg": True,
    "http://192.168.1.21/a.jpg": False,
    "https://192.168.1.20/a.jpg": False,
    "http://gateway/a.jpg": False,
    "http://192.168.1.20@evil.example/": False,
    "http://evil.example\\@192.168.1.20/": False,
    "http://192.168.1.20.evil.example/": False,
    "http://3232235796/": False,
    "http://192.168.1.20/a\r\nHost: x": False,
    "http://[::ffff:127.0.0.1]/": False,
}


@pytest.mark.parametrize(("link", "allowed"), LINKS.items())
def test_a_picture_is_wanted_from_allowed_addresses_by_number_only(link: str, allowed: bool) -> None:
    mapping = msgspec.structs.replace(MAPPING, fetch=["sender", "10.0.0.0/8", "fd00::/8"])
    push = msgspec.structs.replace(push_of(json.dumps({"pic": link}).encode()), peer="::ffff:192.168.1.20")
    assert Mapped("north", mapping, ZONE).parse(push).wanted == (link,) * allowed


def test_hosts_that_are_made_up_take_no_memory() -> None:
    mapped = Mapped("north", MAPPING, ZONE)
    bodies = [json.dumps({"pic": f"http://{number}{'1' * 1_000_000}/a.jpg"}).encode() for number in range(20)]
    tracemalloc.start()
    try:
        for body in bodies:
            assert mapped.parse(push_of(body)).wanted == ()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5_000_000


def test_without_the_key_nothing_is_wanted() -> None:
    mapping = msgspec.structs.replace(MAPPING, fetch=[])
    read = Mapped("north", mapping, ZONE).parse(push_of(json.dumps({"pic": f"http://{HOST}/a.jpg"}).encode()))
    assert (read.wanted, read.events[0].extra) == ((), {"pic": f"http://{HOST}/a.jpg"})
