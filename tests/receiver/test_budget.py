"""Bodies take room as they arrive; where there is none left, those go that honest boxes would have to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from bridge import Answer, Push
from bridge.receiver import budget, http, intake
from bridge.receiver.budget import BLOCK_BYTES, BodyBudget, Busy
from bridge.testing import sample_push
from tests.receiver.doors import Door, door_to, parsed, request
from tests.rooms import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def small_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for as much as the largest body has."""
    monkeypatch.setattr(http, "BODIES_BYTES", 0)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes the door's budget has given out."""
    made: list[BodyBudget] = []

    class Watched(BodyBudget):
        def __init__(self, least: int, total: Callable[[], int]) -> None:
            super().__init__(least, total)
            made.append(self)

    monkeypatch.setattr(http, "BodyBudget", Watched)
    return lambda: made[-1].used


async def test_what_was_only_declared_takes_no_room(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door, AsyncExitStack() as stack:
        for _ in range(10):
            _, writer = await stack.enter_async_context(door.connected())
            writer.write(request(b"", length=16_000_000))
        await until_received(door)
        async with door.box() as box:
            assert (await box.push(sample_push(small=True))).success


async def test_half_received_bodies_do_not_keep_an_honest_box_out(
    tmp_path: Path, small_room: None, used: Callable[[], int]
) -> None:
    async with door_to(tmp_path, max_body=300_000) as door, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(door.connected()) for _ in range(3)]
        for _, writer in slow:
            writer.write(request(bytes(99_000), length=200_000))
        await until(lambda: used() == 3 * 99_000)
        async with door.box() as box:
            for _ in range(5):
                assert (await box.push(sample_push(small=True, kind="x" * 5_000))).success
        # The newest of the three had to go. It hears of that when it has sent the rest.
        assert used() == 2 * 99_000
        reader, writer = slow[-1]
        writer.write(bytes(101_000))
        answer = parsed(await reader.read())
        assert (answer.status, answer.envelope["code"]) == (503, 503)
        assert answer.headers["retry-after"] == str(intake.RETRY_AFTER_SECONDS)
        assert answer.envelope["message"].startswith("busy: ")


async def test_while_whole_bodies_wait_for_the_disk_and_fill_the_room_others_come_again(
    tmp_path: Path, small_room: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door_to(tmp_path, max_body=10_000) as door, door.connected() as (reader, writer):
        take, stored = door.rooms.intake.take, asyncio.Event()

        async def wait(push: Push) -> Answer:
            await stored.wait()
            return await take(push)

        monkeypatch.setattr(door.rooms.intake, "take", wait)
        writer.write(request(sample_push(small=True, kind="x" * 3_500)))
        await until_received(door)
        async with door.box() as box:
            assert (await box.push(sample_push(small=True))).status == 503
        stored.set()
        assert parsed(await reader.read()).status == 200
        async with door.box() as box:
            assert (await box.push(sample_push(small=True))).success


async def test_what_is_only_read_to_be_discarded_takes_no_room(tmp_path: Path, used: Callable[[], int]) -> None:
    async with door_to(tmp_path, max_body=100_000) as door, door.connected() as (reader, writer):
        head = request(b"", "Transfer-Encoding: chunked")
        writer.write(head + b"%x\r\n" % 300_000 + bytes(150_000))
        await until(lambda: door.rooms.intake.pushes or used() == 0)
        await until_received(door)
        assert used() == 0
        writer.write(bytes(150_000) + b"\r\n0\r\n\r\n")
        assert parsed(await reader.read()).status == 413


async def test_a_larger_max_body_is_taken_over_by_a_reload(tmp_path: Path, small_room: None) -> None:
    async with door_to(tmp_path, max_body=1_000) as door, door.box() as box:
        settings = door.rooms.intake.settings
        server = msgspec.structs.replace(settings.server, max_body=1_000_000)
        door.rooms.intake.settings = msgspec.structs.replace(settings, server=server)
        assert (await box.push(sample_push(small=True, kind="x" * 400_000))).success


async def until_received(door: Door) -> None:
    """Wait until the door has read what was sent before: a probe on another connection comes after it."""
    await door.talk(request(b"", method="GET"))


# --- Who goes


class Growing:
    """A body that is being received."""

    def __init__(self, room: BodyBudget) -> None:
        self.gone = False
        self.claim = room.claim(self._go)

    def _go(self) -> None:
        self.gone = True

    def has(self, size: int) -> Growing:
        """So many bytes came."""
        self.claim.grow(size)
        return self


@pytest.fixture
def bodies() -> Iterator[Callable[[], Growing]]:
    """Bodies that share a room of a million bytes."""
    room, made = BodyBudget(1_000_000, lambda: 1_000_000), list[Growing]()

    def body() -> Growing:
        made.append(Growing(room))
        return made[-1]

    yield body
    for each in made:
        each.claim.give_back()
    assert room.used == 0


async def test_the_largest_body_that_stalls_goes_first(
    bodies: Callable[[], Growing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "STALL_SECONDS", 0.2)
    small, large, other = bodies().has(100_000), bodies().has(400_000), bodies().has(300_000)
    await asyncio.sleep(0.3)
    moving = bodies().has(190_000)
    newest = bodies().has(20_000)
    assert [body.gone for body in (small, large, other, moving, newest)] == [
        False,
        True,
        False,
        False,
        False,
    ]


async def test_a_body_that_drips_stalls(bodies: Callable[[], Growing], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "STALL_SECONDS", 0.2)
    dripping, moving = bodies().has(BLOCK_BYTES * 7), bodies().has(BLOCK_BYTES * 8)
    for step in range(1, 6):
        await asyncio.sleep(0.06)
        dripping.has(BLOCK_BYTES * 7 + step)
        moving.has(BLOCK_BYTES * (8 + step // 5))
    bodies().has(100_000)
    assert [dripping.gone, moving.gone] == [True, False]


async def test_of_bodies_that_all_grow_the_oldest_get_through(bodies: Callable[[], Growing]) -> None:
    alike = [bodies().has(200_000) for _ in range(5)]
    refused = bodies()
    with pytest.raises(Busy):
        refused.has(200_000)
    refused.claim.give_back()
    with pytest.raises(Busy):
        alike[-1].has(300_000)
    alike[-1].claim.give_back()
    alike[0].has(300_000)
    assert [body.gone for body in alike[:4]] == [False] * 4


async def test_a_body_that_is_whole_stays(bodies: Callable[[], Growing]) -> None:
    whole, growing = bodies().has(800_000), bodies().has(150_000)
    whole.claim.end_growth()
    with pytest.raises(Busy):
        growing.has(250_000)
    assert not whole.gone
