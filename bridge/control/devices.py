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
        now = time.time()
        known = house.intake.devices
        return DeviceList(devices=[_report(pusher, now, known.opened) for pusher in known.all()])

    async def forget(request: Request) -> Chosen:
        chosen = await body(request, Chosen)
        if not house.intake.devices.forget(chosen.id):
            there = ", ".join([pusher.id for pusher in house.intake.devices.all()[:20]]) or "none"
            raise Missing(f"no device {chosen.id} is known; there are: {there}")
        return chosen

    return [
        Route("/api/v1/devices", answering(listed)),
        Route("/api/v1/devices/forget", answering(forget), methods=["POST"]),
    ]


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
