"""Dead letters as people ask for them: part by part, by reason, and what is done with all of a reason."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge import Rejected
from bridge.control import events
from bridge.journal.record import PREFIX_SIZE, Kind
from bridge.testing import sample_push
from tests.daemon import Running, bridge_with
from tests.journal.journals import damage, newest_segment, records
from tests.rooms import Bringing, Far, async_output, until

pytestmark = pytest.mark.anyio

SINK = '[output.erp]\ntype = "sink"\n'


async def given_up(running: Running, far: Far, *reasons: str) -> None:
    """Events that the output refuses for these reasons, one after the other."""
    async with running.box() as box:
        for count, reason in enumerate(reasons, 1):

            def refuse(_: Any, reason: str = reason) -> None:
                raise Rejected(reason)

            far.answer = refuse
            await box.push(sample_push(small=True))
            await until(lambda count=count: running.daemon.journal.cursors["erp"].dead == count)  # type: ignore[misc]


async def part(client: httpx2.AsyncClient, after: str | None = "") -> Any:
    return (await client.get("/api/v1/dead", params={"limit": "2", "after": after or ""})).json()


async def test_a_list_goes_on_where_it_ended(tmp_path: Path) -> None:
    far = Far()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        await given_up(running, far, "a", "b", "c")
        first = await part(running.socket)
        rest = await part(running.socket, first["after"])
        assert [letter["reason"] for letter in first["letters"] + rest["letters"]] == ["c", "b", "a"]
        assert (first["total"], rest["total"], rest["after"]) == (3, 3, None)
        assert (await running.socket.get("/api/v1/dead", params={"after": "x"})).status_code == 400


async def test_a_list_says_of_which_nothing_is_left_to_deliver(tmp_path: Path) -> None:
    """Given two dead letters, of which the record of the older one is damaged: the list tells them apart."""
    far = Far()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        await given_up(running, far, "a", "b")
    segment = newest_segment(tmp_path / "data" / "journal")
    older, _ = records(segment, Kind.PUSH)
    damage(segment, older.offset + PREFIX_SIZE + 9)
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", Far()))) as running:
        letters = (await part(running.socket))["letters"]
        assert [(letter["reason"], letter["lost"]) for letter in letters] == [("b", False), ("a", True)]


async def test_a_list_leaves_the_loop_to_others_between_two_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given dead letters whose records are read without a wait: between any two, whatever else is due has its turn."""
    far, turn = Far(), 0
    turns_at: set[int] = set()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        await given_up(running, far, "a", "b", "c")

        async def take_turns() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        async def read(*_: Any) -> None:
            turns_at.add(turn)

        monkeypatch.setattr(events, "read", read)
        others = asyncio.create_task(take_turns())
        assert len((await running.socket.get("/api/v1/dead")).json()["letters"]) == 3
        others.cancel()
        assert len(turns_at) == 3


async def test_all_of_one_reason_are_dropped_and_the_others_stay(tmp_path: Path) -> None:
    far = Far()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        await given_up(running, far, "too large", "no such gate", "too large")
        chosen = {"all": True, "output": "erp", "reason": "too large"}
        done = (await running.socket.post("/api/v1/dead/drop", json=chosen)).json()
        assert done == {"outputs": {"erp": 2}}
        assert [letter["reason"] for letter in (await part(running.socket))["letters"]] == ["no such gate"]
