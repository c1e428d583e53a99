"""What came of a device around a time, by whatever name people call it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.control import around
from bridge.testing import sample_push
from tests.daemon import Running, bridge_with
from tests.rooms import Bringing, Far, async_output

pytestmark = pytest.mark.anyio

SERIAL = "DMB3160PWC21J00001"
SINK = '[output.erp]\ntype = "sink"\n'
NAMED = f'{SINK}[device.{SERIAL}]\nid = "gate-3"\n'


async def pushed(running: Running, count: int) -> list[str]:
    """Push events; returns the ids of all that there are, the oldest first."""
    async with running.box() as box:
        for _ in range(count):
            await box.push(sample_push(small=True))
    return [event["id"] for event in reversed(await listed(running.socket))]


async def listed(client: httpx2.AsyncClient, **asked: str) -> list[dict[str, Any]]:
    """What `events` lists."""
    found: list[dict[str, Any]] = (await client.get("/api/v1/events", params=asked)).json()["events"]
    return found


async def test_of_many_those_nearest_to_the_time_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more events than are shown: the span that is told of grows shorter, and none in it is left out."""
    monkeypatch.setattr(around, "_MOST", 4)
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", Far()))) as running:
        first = (await pushed(running, 2))[0]
        await asyncio.sleep(2)
        await pushed(running, 6)
        (event,) = [event for event in await listed(running.socket) if event["id"] == first]
        received = datetime.fromisoformat(event["received"])
        params = {"device": SERIAL, "at": event["received"]}
        told = (await running.socket.get("/api/v1/why", params=params)).json()
        assert first in [event["id"] for event in told["events"]]
        assert len(told["events"]) <= 4
        assert (datetime.fromisoformat(told["until"]) - received).total_seconds() < 3


async def test_a_device_is_known_by_its_serial_number_too(tmp_path: Path) -> None:
    """Given a device that the configuration names: each question finds it by either name, and says which it is."""
    async with bridge_with(tmp_path, NAMED, Bringing(async_output("sink", Far()))) as running:
        (id_,) = await pushed(running, 1)
        for name in (SERIAL, "gate-3"):
            assert [event["id"] for event in await listed(running.socket, device=name)] == [id_]
            told = (await running.socket.get("/api/v1/why", params={"device": name, "at": "0s"})).json()
            assert (told["device"], [event["id"] for event in told["events"]]) == ("gate-3", [id_])
            wish = {"output": "erp", "since": "1h", "device": name, "dry_run": True}
            assert (await running.socket.post("/api/v1/replays", json=wish)).json()["events"] == 1


async def test_what_a_device_pushed_before_it_was_named_is_found_by_its_serial_number(tmp_path: Path) -> None:
    sink = Bringing(async_output("sink", Far()))
    async with bridge_with(tmp_path, SINK, sink) as running:
        await pushed(running, 1)
    async with bridge_with(tmp_path, NAMED, Bringing(async_output("sink", Far()))) as running:
        await pushed(running, 1)
        assert [event["device"] for event in await listed(running.socket, device=SERIAL)] == [SERIAL]
        assert [event["device"] for event in await listed(running.socket, device="gate-3")] == ["gate-3"]
