"""What an output gets next: who makes the far side fall steps back, and what was asked for anew comes last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import Delivery, Rejected, Retry, Unavailable
from bridge.dispatch import policy
from bridge.dispatch.order import Order
from bridge.options import Duration
from tests.dispatch.outputs import Gate
from tests.journal.journals import running, store
from tests.rooms import Far, Rooms, async_output, opened, until

pytestmark = pytest.mark.anyio


class Poison:
    """A far side that falls each time it is given certain events, and then takes nothing until it is opened again."""

    def __init__(self, far: Far, rooms: Callable[[], Rooms], *places: int) -> None:
        self._far, self._rooms, self._places = far, rooms, places
        self._up = True
        far.opening, far.answer = self._open, self._take

    def _open(self) -> None:
        self._up = True

    async def _take(self, delivery: Delivery) -> None:
        if not self._up:
            raise Unavailable("down")
        ids = self._rooms().heard.ids()
        if ids.index(delivery.event.id) in self._places:
            self._up = False
            raise Unavailable("fell")
        await asyncio.sleep(0)
        if not self._up:
            raise Unavailable("down")


@pytest.mark.parametrize("places", [(0,), (3,), (3, 4), (0, 1, 2, 3), (9,)], ids=str)
async def test_events_that_make_the_far_side_fall_do_not_hold_the_others_and_end_as_dead_letters(
    tmp_path: Path, far: Far, places: tuple[int, ...], impatient: None
) -> None:
    Poison(far, lambda: rooms, *places)
    async with opened(tmp_path, async_output("sink", far), retry_for=Duration("300ms")) as rooms:
        ids = await rooms.push_some(10)
        healthy = [event for place, event in enumerate(ids) if place not in places]
        await until(lambda: set(far.ids()) == set(healthy))
        while rooms.report().dead < len(places):  # what follows is what shows that it is not an outage
            await rooms.push_some(1)
            await asyncio.sleep(0.01)
        assert {event for _, event, _ in rooms.heard.dead} == {ids[place] for place in places}
        assert "the far side fell each time it was given this event" in rooms.heard.dead[0][2]
        await until(rooms.is_settled)
    assert len(far.ids()) == len(set(far.ids())) == len(rooms.heard.ids()) - len(places)


async def test_what_an_output_may_not_hold_back_is_not_delivered_when_it_comes_back(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def answer(_: Delivery) -> None:
        raise Unavailable("away")

    far.answer = answer
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(4)
        await until(lambda: len(far.given) > 3)
        assert rooms.lane().cursor.skip_to(4, "more than its backlog") == 3
        far.answer = lambda _: None
        await until(rooms.is_settled)
        assert rooms.report().dead == 0
    assert far.ids()[-1] == ids[3]
    assert set(far.ids()) <= {ids[0], ids[3]}, "what was under way when it was given up may be delivered"


async def test_what_is_given_up_takes_nothing_else_with_it(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(4):
            await store(journal, f"m{n}")
        order = Order(journal.cursors["out"], journal)
        for sequence in [order.next(0) for _ in range(4)]:
            assert sequence is not None
            order.again(sequence)
        journal.cursors["out"].skip_to(3, "more than its backlog")
        assert [order.next(0) for _ in range(3)] == [3, 4, None]


# --- What a person asked for anew


async def push_and_see(rooms: Rooms, far: Far) -> None:
    """Push an event that must get out soon, whatever else there is."""
    (fresh,) = await rooms.push_some(1)
    await until(lambda: fresh in far.ids(), within=5)


async def test_what_is_asked_for_anew_never_holds_up_what_has_just_come_even_after_a_restart(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given many dead letters that are tried again and fail again: what comes meanwhile is delivered at once."""
    monkeypatch.setattr(policy, "EVENT_CAP", 1.0)
    bad: set[str] = set()

    def reject(_: Delivery) -> None:
        raise Rejected("unknown plate")

    def fail_the_bad(delivery: Delivery) -> None:
        if delivery.event.id in bad:
            raise Retry("HTTP 500")

    far.answer = reject
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        bad.update(await rooms.push_some(40))
        cursor = rooms.lane().cursor
        await until(lambda: cursor.dead == 40)
        far.answer = fail_the_bad
        for letter in cursor.dead_letters():
            assert rooms.dispatcher.again("sink", letter.sequence)
        for _ in range(5):
            await push_and_see(rooms, far)
        await until(lambda: {delivery.event.id for delivery in far.given[40:]} >= bad)
        assert ("sink", "waiting") not in rooms.heard.states
    far.given.clear()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        for _ in range(5):
            await push_and_see(rooms, far)
        assert ("sink", "waiting") not in rooms.heard.states


async def test_what_is_asked_for_anew_comes_after_what_waits_and_in_its_order(tmp_path: Path, far: Far) -> None:
    gate = Gate()
    async with opened(tmp_path, async_output("sink", far), in_flight=1) as rooms:
        old = await rooms.push_some(5)
        await until(rooms.is_settled)
        far.answer = gate.wait
        ids = await rooms.push_some(1)
        await until(lambda: rooms.report().under_way)
        for sequence in (3, 1, 2):
            assert rooms.dispatcher.again("sink", sequence, replay=True)
        ids += await rooms.push_some(3)
        gate.open()
        await until(rooms.is_settled)
    assert far.ids() == [*old, *ids, *old[:3]]
    assert [delivery.replayed for delivery in far.given] == [False] * 9 + [True] * 3


@pytest.mark.parametrize("place", [0, 2])
async def test_a_replayed_event_that_makes_the_far_side_fall_holds_neither_others_nor_what_comes(
    tmp_path: Path, far: Far, place: int, impatient: None
) -> None:
    async with opened(tmp_path, async_output("sink", far), retry_for=Duration("300ms")) as rooms:
        old = await rooms.push_some(5)
        await until(rooms.is_settled)
        Poison(far, lambda: rooms, place)
        for sequence in range(1, 6):
            assert rooms.dispatcher.again("sink", sequence, replay=True)
        healthy = {*old} - {old[place]}
        await until(lambda: set(far.ids()[5:]) >= healthy)
        while not rooms.report().dead:
            await push_and_see(rooms, far)
        assert [event for _, event, _ in rooms.heard.dead] == [old[place]]
        await until(rooms.is_settled)
