"""Who pushes, as people ask for it, and forgetting one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from bridge.control.answers import Missing, answering, body
from bridge.control.house import House
from bridge.receiver.devices import Pusher


class DeviceReport(Struct, frozen=True, kw_only=True):
    """One device that pushes."""

    id: str
    name: str
    serial: str
    peer: str
    state: Literal["online", "late", "new"]
    """`new`: too little is known of it to call it late."""
    first_seen: datetime
    last_seen: datetime
    pushes: int
    rhythm: float | None
    """Seconds that usually lie between two pushes."""
    expected_within: float | None
    """Seconds of silence after which it is late."""
    skew: float | None
    """Seconds that its clock is ahead, negative behind."""
    skills: dict[str, str]
    fields: dict[str, int]


class DeviceList(Struct, frozen=True, kw_only=True):
    """All of them, the last seen first."""

    devices: list[DeviceReport]


class Chosen(Struct, frozen=True, kw_only=True):
    """Which one is meant."""

    id: str


def routes(house: House) -> list[Route]:
    """Listing devices and forgetting one."""

    async def listed(_: Request) -> DeviceList:
        return DeviceList(devices=list_devices(house))

    async def forget(request: Request) -> Chosen:
        chosen = await body(request, Chosen)
        forget_device(house, chosen.id)
        return chosen

    return [
        Route("/api/v1/devices", answering(listed)),
        Route("/api/v1/devices/forget", answering(forget), methods=["POST"]),
    ]


def list_devices(house: House) -> list[DeviceReport]:
    """Who pushes, the last seen first."""
    now, known = time.time(), house.intake.devices
    return [_report(pusher, now, known.opened) for pusher in known.all()]


def forget_device(house: House, id_: str) -> None:
    """Forget one that is gone for good; raises Missing."""
    if not house.intake.devices.forget(id_):
        there = ", ".join([pusher.id for pusher in house.intake.devices.all()[:20]]) or "none"
        raise Missing(f"no device {id_} is known; there are: {there}")


def _report(pusher: Pusher, now: float, listening_since: float) -> DeviceReport:
    late: Literal["late", "online"] = "late" if pusher.is_late(now, listening_since) else "online"
    return DeviceReport(
        id=pusher.id,
        name=pusher.name,
        serial=pusher.serial,
        peer=pusher.peer,
        state=late if pusher.expected_within() else "new",
        first_seen=datetime.fromtimestamp(pusher.first_seen, UTC),
        last_seen=datetime.fromtimestamp(pusher.last_seen, UTC),
        pushes=pusher.pushes,
        rhythm=pusher.rhythm,
        expected_within=pusher.expected_within(),
        skew=pusher.skew,
        skills=pusher.skills,
        fields=pusher.fields,
    )
