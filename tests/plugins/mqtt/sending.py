"""What the tests of the MQTT output send, and the output that sends it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge import Channel, Delivery, Device, Event, Original, OutputContext, Picture, PictureLost, Skill, new_id
from bridge.event import encode_document
from bridge_mqtt.options import Options
from bridge_mqtt.output import Mqtt

SITE = "plant-a"


class Memory:
    """Pictures by digest; one that is not there was lost."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}

    def add(self, role: str, data: bytes) -> Picture:
        digest = hashlib.sha256(data).hexdigest()
        self.pictures[digest] = data
        picture = Picture(role=role, media_type="image/jpeg", width=8, height=8, size=len(data), sha256=digest)
        return picture.reading_from(self)

    async def read(self, sha256: str) -> bytes:
        return self.read_blocking(sha256)

    def read_blocking(self, sha256: str) -> bytes:
        if sha256 not in self.pictures:
            raise PictureLost("damaged on disk")
        return self.pictures[sha256]


def event_with(
    scene: bytes | None = b"scene", *targets: bytes, device: str = "gate-3", channel: str = "1", kind: str = "leave"
) -> Event:
    """An event with a scene and snapshots of targets, all in memory."""
    memory = Memory()
    pictures = [memory.add("scene", scene)] if scene is not None else []
    pictures += [memory.add("target", target) for target in targets]
    now = datetime.now(UTC)
    return Event(
        id=new_id(now),
        occurred=now,
        site=SITE,
        kind=kind,
        msg_id="m-1",
        name="车辆离开",
        description="",
        reported=now,
        received=now,
        time_from="device",
        device=Device(id=device),
        channel=Channel(id=channel),
        skill=Skill(),
        counts={},
        targets=(),
        regions=(),
        pictures=tuple(pictures),
        style={},
        frame=None,
        link="",
        network=(),
    )


def delivery_of(event: Event, **attempt: Any) -> Delivery:
    """An attempt to deliver it."""
    original = Original("POST", "/", "", "application/json", (b"{}",))
    return Delivery(event=event, document=encode_document(event), original=original, **attempt)


def output_to(url: str, data: Path, lost: Any = lambda _reason: None, site: str = SITE, **options: Any) -> Mqtt:
    """The output for this broker, not opened."""
    settings = Options(url=url, **options)
    return Mqtt(OutputContext(name="broker", options=settings, site=site, data=data, timezone=UTC, lost=lost))


@asynccontextmanager
async def opened(output: Mqtt) -> AsyncIterator[Mqtt]:
    """The output between its open and its close."""
    await output.open()
    try:
        yield output
    finally:
        await output.close()
