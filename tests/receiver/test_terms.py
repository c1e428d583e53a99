"""From where one device may push, and how often: over HTTP and WebSocket, in the vendor's words, and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from bridge.config.settings import DeviceSettings
from bridge.options import Rate
from bridge.receiver import terms
from bridge.testing import sample_push
from tests.receiver.doors import Door, Refusal, door_to, parsed, request
from tests.receiver.test_websocket import answer_of, talking
from tests.rooms import Clock

pytestmark = pytest.mark.anyio

BOX = "DMB3160PWC21J00001"
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.of(terms, monkeypatch)


def configure(door: Door, devices: Mapping[str, DeviceSettings], rate: str = "") -> None:
    settings = door.rooms.settings
    server = msgspec.structs.replace(settings.server, rate=Rate(rate) if rate else None)
    door.rooms.intake.settings = msgspec.structs.replace(settings, server=server, device=dict(devices))


async def push(door: Door, peer: str = HERE, **changes: Any) -> Refusal:
    async with door.connected(peer) as (reader, writer):
        writer.write(request(sample_push(small=True, **changes)))
        return parsed(await reader.read())


# --- From where


@pytest.mark.parametrize("address", [HERE, "127.0.0.0/31", ["10.0.0.0/8", HERE]])
async def test_a_pinned_device_is_taken_from_its_addresses_only(tmp_path: Path, address: str | list[str]) -> None:
    async with door_to(tmp_path) as door:
        configure(door, {BOX: DeviceSettings(id="gate-3", address=address)})
        assert (await push(door)).status == 200
        with structlog.testing.capture_logs() as log:
            refused = [await push(door, ELSEWHERE, msg_id="m-7") for _ in range(3)][-1]
        assert (await push(door, ELSEWHERE, device="another")).status == 200
        assert door.rooms.intake.refused == {(ELSEWHERE, "wrong address"): 3}
        assert len(door.rooms.heard.accepted) == 2
    assert (refused.status, refused.envelope["code"], refused.envelope["msg_id"]) == (403, 403, "m-7")
    assert "retry-after" not in refused.headers
    (line,) = [line for line in log if line["event"] == "push refused"]
    assert (line["device"], line["peer"]) == ("gate-3", ELSEWHERE)


async def test_nobody_takes_a_pinned_device_s_name_instead(tmp_path: Path) -> None:
    async with door_to(tmp_path) as door:
        configure(door, {BOX: DeviceSettings(id="gate-3", address=HERE)})
        assert (await push(door, ELSEWHERE, device="gate-3")).status == 403


@pytest.mark.parametrize("keys", [[BOX, "another"], ["another", BOX]])
async def test_a_name_that_is_another_device_s_key_does_not_take_its_place(tmp_path: Path, keys: list[str]) -> None:
    devices = {
        BOX: DeviceSettings(id="another", address=HERE),
        "another": DeviceSettings(id="third", address=ELSEWHERE),
    }
    async with door_to(tmp_path) as door:
        configure(door, {key: devices[key] for key in keys})
        assert [(await push(door, peer, device="another")).status for peer in (HERE, ELSEWHERE)] == [403, 200]
        assert [(await push(door, peer)).status for peer in (HERE, ELSEWHERE)] == [200, 403]


async def test_what_holds_no_event_is_held_to_its_device_too(tmp_path: Path) -> None:
    heartbeat = json.dumps({"wsKey": "deviceHeart", "message": {"deviceInfo": {"id": BOX}}}).encode()
    async with door_to(tmp_path) as door:
        configure(door, {BOX: DeviceSettings(address=HERE)})
        assert parsed(await door.talk(request(heartbeat))).status == 200
        async with door.connected(ELSEWHERE) as (reader, writer):
            writer.write(request(heartbeat))
            assert parsed(await reader.read()).status == 403
        assert door.rooms.intake.devices.all()[0].peer == HERE


# --- How often


async def test_what_is_more_than_the_rate_is_refused_until_its_time_comes(tmp_path: Path, clock: Clock) -> None:
    async with door_to(tmp_path) as door:
        configure(door, {}, rate="3/m")
        answers = [await push(door, msg_id=f"m-{number}") for number in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        clock.now += int(answers[-1].headers["retry-after"])
        again = [(await push(door, msg_id="m-4")).status for _ in range(2)]
        assert (again, len(door.rooms.heard.accepted)) == ([200, 429], 4)
        assert (await push(door, device="another")).status == 200
        assert (await push(door, ELSEWHERE)).status == 200
        assert door.rooms.intake.refused == {(HERE, "too many pushes"): 3}
    refused = answers[-1]
    assert (refused.envelope["code"], refused.envelope["msg_id"], refused.headers["retry-after"]) == (429, "m-4", "20")
    assert refused.envelope["message"] == "too many pushes: more than 3/m of one device; come again in 20 s"


async def test_a_device_has_its_own_rate(tmp_path: Path, clock: Clock) -> None:
    async with door_to(tmp_path) as door:
        configure(door, {BOX: DeviceSettings(rate=Rate("1/s"))}, rate="100/s")
        assert [(await push(door)).status for _ in range(2)] == [200, 429]
        assert [(await push(door, device="another")).status for _ in range(2)] == [200, 200]
        clock.now += 1
        assert (await push(door)).status == 200


async def test_over_websocket_the_answer_says_it_and_the_connection_stays(tmp_path: Path, clock: Clock) -> None:
    async with door_to(tmp_path) as door, talking(door) as socket:
        configure(door, {}, rate="1/m")
        answers = []
        for number in range(2):
            await socket.send(sample_push(small=True, msg_id=f"m-{number}").decode())
            answers.append(await answer_of(socket))
        clock.now += 60
        await socket.send(sample_push(small=True, msg_id="m-1").decode())
        answers.append(await answer_of(socket))
    assert [(answer["msg_id"], answer["code"]) for answer in answers] == [("m-0", 0), ("m-1", 429), ("m-1", 0)]


async def test_who_invents_devices_takes_no_more_memory(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "_MOST_SENDERS", 10)
    async with door_to(tmp_path) as door:
        configure(door, {}, rate="1/s")
        for number in range(50):
            assert (await push(door, device=f"d-{number}")).status == 200
            clock.now += 0.2
        assert len(door.rooms.intake._terms._due) <= 10
