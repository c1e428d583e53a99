"""Connections have bounds, and those that are silent longest give way."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog
from websockets.frames import Opcode

from bridge import Answer, Push
from bridge.protocols.skill import PATH
from bridge.receiver import seats as module
from bridge.receiver.seats import Seat, Seats, seats_for_devices
from bridge.testing import sample_push
from tests.receiver.doors import HANDSHAKE, Door, door_to, parsed, request
from tests.receiver.test_guard import connections, is_cut
from tests.receiver.test_websocket import frame
from tests.rooms import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of the daemon: others end connections in other ways."""
    return "asyncio", {"use_uvloop": True}


FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


class Sitter:
    """A connection that notes whether it was made to go."""

    def __init__(self, seats: Seats, address: str = "a") -> None:
        self.waits_for_us = False
        self.gone = False
        self.seat: Seat = seats.take(address, self)

    def give_way(self) -> bool:
        self.gone = not self.waits_for_us
        return self.gone


def gone(sitters: list[Sitter]) -> list[int]:
    """Which of them had to go, by number."""
    return [number for number, sitter in enumerate(sitters) if sitter.gone]


def test_the_one_that_is_silent_longest_gives_its_seat_up() -> None:
    seats = Seats(most=3)
    sitters = [Sitter(seats, address=f"{number}") for number in range(3)]
    sitters[0].seat.heard()
    sitters += [Sitter(seats), Sitter(seats)]
    assert gone(sitters) == [1, 2]


def test_who_waits_for_us_keeps_its_seat_and_a_newcomer_that_finds_none_goes() -> None:
    seats = Seats(most=2)
    sitters = [Sitter(seats) for _ in range(2)]
    sitters[0].waits_for_us = True
    sitters.append(Sitter(seats))
    assert gone(sitters) == [1]
    sitters[2].waits_for_us = True
    sitters.append(Sitter(seats))
    assert gone(sitters) == [1, 3]
    sitters[0].waits_for_us = sitters[2].waits_for_us = False
    sitters.append(Sitter(seats))
    assert len(gone(sitters)) == 3


def test_who_takes_many_pushes_out_only_its_own() -> None:
    seats = Seats(most=10, most_of_one=3)
    honest = Sitter(seats, address="box")
    greedy = [Sitter(seats, address="greedy") for _ in range(8)]
    assert (honest.gone, gone(greedy)) == (False, [0, 1, 2, 3, 4])


def test_a_newcomer_asks_only_some_and_the_next_one_asks_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASKED", 3)
    seats = Seats(most=5)
    sitters = [Sitter(seats) for _ in range(5)]
    for sitter in sitters[:3]:
        sitter.waits_for_us = True
    sitters += [Sitter(seats), Sitter(seats)]
    assert gone(sitters) == [3, 5]


def test_what_was_left_is_there_again_and_no_address_stays_behind() -> None:
    seats = Seats(most=2)
    sitters = []
    for number in range(100):
        sitters.append(Sitter(seats, address=f"{number}"))
        sitters[-1].seat.leave()
        sitters[-1].seat.leave()
        sitters[-1].seat.heard()
    assert (gone(sitters), seats._of_address, len(seats._all.seats)) == ([], {}, 0)


def test_there_are_no_more_seats_than_files() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    try:
        assert seats_for_devices()._all.most == 768
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# --- At the door


async def test_an_honest_box_is_served_while_silent_ones_hold_every_seat(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with door_to(tmp_path, seats=Seats(most=10)) as door, AsyncExitStack() as held:
            silent = [await held.enter_async_context(door.connected()) for _ in range(10)]
            for _ in range(5):
                assert parsed(await door.talk(request(sample_push(small=True)))).status == 200
            assert await is_cut(silent[0][0])
            assert len(connections(door)) <= 10
    (line,) = [line for line in log if line["event"].startswith("too many connections")]
    assert (line["peer"], line["most"], line["of"]) == (FIRST, 10, "all")


async def test_one_address_has_no_more_than_its_own(tmp_path: Path) -> None:
    async with door_to(tmp_path, seats=Seats(most=10, most_of_one=2)) as door, AsyncExitStack() as held:
        other, _ = await held.enter_async_context(door.connected(SECOND))
        greedy = [await held.enter_async_context(door.connected(THIRD)) for _ in range(6)]
        for reader, _ in greedy[:4]:
            assert await is_cut(reader)
        await until(lambda: len(connections(door)) == 3)
        assert not other.at_eof()


async def test_a_box_that_sends_gets_through_while_the_silent_ones_go(tmp_path: Path) -> None:
    async with door_to(tmp_path, seats=Seats(most=3)) as door, door.box() as box, AsyncExitStack() as held:
        reader, writer = await held.enter_async_context(door.connected())
        silent, _ = await held.enter_async_context(door.connected())
        await until(lambda: len(connections(door)) == 2)
        assert (await box.push(sample_push(small=True))).success
        sent = request(sample_push(small=True))
        writer.write(sent[:-100])
        await until(lambda: any(one.cycle and one._pace.running for one in connections(door)))  # type: ignore[attr-defined]
        await held.enter_async_context(door.connected())
        assert await is_cut(silent)
        writer.write(sent[-100:])
        assert parsed(await reader.read()).status == 200


@pytest.fixture
def stored() -> asyncio.Event:
    """Nothing that was received gets to the disk before this is set."""
    return asyncio.Event()


def hold(door: Door, stored: asyncio.Event) -> list[Push]:
    """Keep all pushes back until the event is set; returns those that came."""
    take, came = door.rooms.intake.take, []

    async def wait(push: Push) -> Answer:
        came.append(push)
        await stored.wait()
        return await take(push)

    door.rooms.intake.take = wait  # type: ignore[method-assign]
    return came


def kept_alive(body: bytes) -> bytes:
    return request(body).replace(b"Connection: close\r\n", b"")


@pytest.mark.parametrize(
    "sent",
    [
        kept_alive(sample_push(small=True)),
        kept_alive(sample_push(small=True)) + request(b"", length=10),
        HANDSHAKE + frame(Opcode.TEXT, sample_push(small=True)),
    ],
    ids=["http", "http, and half of another push behind it", "websocket"],
)
async def test_a_push_that_is_being_stored_is_answered_however_many_come(
    tmp_path: Path, stored: asyncio.Event, sent: bytes
) -> None:
    async with door_to(tmp_path, seats=Seats(most=2)) as door, AsyncExitStack() as held:
        came = hold(door, stored)
        reader, writer = await held.enter_async_context(door.connected())
        writer.write(sent)
        await until(lambda: came)
        silent = [await held.enter_async_context(door.connected()) for _ in range(6)]
        for other, _ in silent[:5]:
            assert await is_cut(other)
        stored.set()
        assert b'"code":0' in await reader.readuntil(b"}")


@pytest.mark.parametrize(
    "sent", [kept_alive(sample_push(small=True)), HANDSHAKE + frame(Opcode.TEXT, sample_push(small=True))]
)
async def test_who_was_answered_just_now_is_not_silent(tmp_path: Path, stored: asyncio.Event, sent: bytes) -> None:
    async with door_to(tmp_path, seats=Seats(most=2)) as door, AsyncExitStack() as held:
        came = hold(door, stored)
        reader, writer = await held.enter_async_context(door.connected())
        writer.write(sent)
        await until(lambda: came)
        silent, _ = await held.enter_async_context(door.connected())
        await until(lambda: len(connections(door)) == 2)
        stored.set()
        assert b'"code":0' in await reader.readuntil(b"}")
        await held.enter_async_context(door.connected())
        assert await is_cut(silent)


async def test_where_all_wait_for_us_a_newcomer_is_cut(tmp_path: Path, stored: asyncio.Event) -> None:
    async with door_to(tmp_path, seats=Seats(most=2)) as door, AsyncExitStack() as held:
        came = hold(door, stored)
        pushing = [asyncio.create_task(door.talk(request(sample_push(small=True)))) for _ in range(2)]
        await until(lambda: len(came) == 2)
        newcomer, _ = await held.enter_async_context(door.connected())
        assert await is_cut(newcomer)
        stored.set()
        assert [parsed(await one).status for one in pushing] == [200, 200]


async def test_a_quiet_websocket_has_one_seat_and_gives_it_up_like_any(tmp_path: Path) -> None:
    async with door_to(tmp_path, seats=Seats(most=2)) as door, AsyncExitStack() as held:
        reader, writer = await held.enter_async_context(door.connected())
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        silent, _ = await held.enter_async_context(door.connected())
        await until(lambda: len(door.door.seats._all.seats) == 2)
        writer.write(frame(Opcode.TEXT, sample_push(small=True)))
        assert b'"code":0' in await reader.readuntil(b"}")
        await held.enter_async_context(door.connected())
        assert await is_cut(silent)
        await held.enter_async_context(door.connected())
        await held.enter_async_context(door.connected())
        assert await is_cut(reader)
        await held.aclose()
        await until(lambda: not door.door.seats._all.seats)


@pytest.mark.parametrize("sent", [b"POST /", HANDSHAKE], ids=["http", "websocket"])
async def test_who_hangs_up_leaves_its_seat(tmp_path: Path, sent: bytes) -> None:
    async with door_to(tmp_path) as door:
        async with door.connected() as (reader, writer):
            writer.write(sent)
            if sent == HANDSHAKE:
                await reader.readuntil(b"\r\n\r\n")
            await until(lambda: len(door.door.seats._all.seats) == 1)
        await until(lambda: not door.door.seats._all.seats)


async def test_who_never_reads_its_answers_can_not_hold_a_seat(tmp_path: Path) -> None:
    async with door_to(tmp_path, seats=Seats(most=1)) as door, AsyncExitStack() as held:
        reader, writer = await held.enter_async_context(door.connected())
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: connections(door))
        (connection,) = connections(door)
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # type: ignore[attr-defined]
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        probe = request(b"", method="GET", path=PATH).replace(b"Connection: close\r\n", b"") * 1000
        while not connection.flow.write_paused:  # type: ignore[attr-defined]
            writer.write(probe)
            await asyncio.sleep(0.01)
        assert parsed(await door.talk(request(sample_push(small=True)))).status == 200
        writer.transport.abort()
