"""Deliveries for tests of outputs that want nothing but a delivery: an ordinary one, and what differs from it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bridge import Channel, Delivery, Device, Event, Original, Picture, PictureLost, Skill
from bridge.event import encode_document

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 11, 23, 20, 15, 1, 123000, tzinfo=SHANGHAI)
SCENE = b"\xff\xd8\xff\xe0 a scene \xff\xd9"
ID = "01JDCE00000000000000000000"


class Memory:
    """Where the pictures come from; one that is None was lost."""

    def __init__(self) -> None:
        self._pictures: dict[str, bytes | None] = {}

    def add(self, role: str, media_type: str, data: bytes | None) -> Picture:
        digest = hashlib.sha256(data or f"lost {len(self._pictures)}".encode()).hexdigest()
        self._pictures[digest] = data
        size = len(data or b"")
        picture = Picture(role=role, media_type=media_type, width=1920, height=1080, size=size, sha256=digest)
        return picture.reading_from(self)

    async def read(self, sha256: str) -> bytes:
        return self.read_blocking(sha256)

    def read_blocking(self, sha256: str) -> bytes:
        data = self._pictures[sha256]
        if data is None:
            raise PictureLost("its bytes were damaged on disk")
        return data


def delivery_of(
    *pictures: tuple[str, bytes | None],
    event_id: str = ID,
    device: str = "gate-3",
    channel: str = "1",
    kind: str = "pre_offvehicle",
    after: float = 0,
    media_type: str = "image/jpeg",
    attempt: int = 1,
    late: bool = False,
    replayed: bool = False,
) -> Delivery:
    """Make one. `pictures`: role and bytes, None for a lost one; `after`: seconds by which it was received later."""
    memory = Memory()
    received = RECEIVED + timedelta(seconds=after)
    event = Event(
        id=event_id,
        occurred=received,
        site="plant-a",
        kind=kind,
        msg_id="m-1",
        name="车辆离开",
        description="",
        reported=None,
        received=received,
        time_from="receipt",
        device=Device(id=device),
        channel=Channel(id=channel, name="东门"),
        skill=Skill(id="offvehicle"),
        counts={"车辆离开": 2},
        targets=(),
        regions=(),
        pictures=tuple(memory.add(role, media_type, data) for role, data in pictures),
        style={"color": "RED"},
        frame=7943,
        link="",
        network=(),
        extra={"data.weights": [0.1, 1e300, 12345678901234567890]},
    )
    return Delivery(
        event=event,
        document=encode_document(event),
        original=Original(
            method="POST",
            path="/dataPush/DataReportCB",
            query="",
            content_type="application/json",
            parts=(b'{"bg" : "', *event.pictures[:1], b'"}'),
        ),
        attempt=attempt,
        late=late,
        replayed=replayed,
    )
