"""The event that templates are tried with: every field is there, and its names hold what breaks careless quoting."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge import (
    Attribute,
    Box,
    Channel,
    Delivery,
    Device,
    Event,
    Network,
    Original,
    Picture,
    Point,
    Region,
    Skill,
    Target,
)

_NAME = '东门 "A" \\ <&>'
_WHEN = datetime(2026, 11, 23, 12, 15, 1, 123000, tzinfo=UTC)


def sample_delivery() -> tuple[Delivery, dict[int, bytes]]:
    """A delivery, and the bytes of its pictures by their place."""
    pictures = (_picture("scene"), _picture("target"))
    event = Event(
        id="01JDCE00000000000000000000",
        occurred=_WHEN,
        site="plant-a",
        kind="pre_offvehicle",
        msg_id="398654df-0000-4000-8000-000000000000",
        name=_NAME,
        description=_NAME,
        reported=_WHEN,
        received=_WHEN,
        device=Device(id="gate-3", serial="DMB3160PWC21J00001", uuid="DMB3160PWC21J00001", name=_NAME),
        channel=Channel(id="1", name=_NAME, comment=_NAME, platform_id="1"),
        skill=Skill(id="offvehicle", name=_NAME, version="2.0.0.0"),
        counts={"车辆在场": 0, "车辆离开": 2},
        targets=(_TARGET,),
        regions=(Region(id="1", name=_NAME, kind="analysis_area", points=(Point(0.1, 0.1), Point(0.9, 0.9))),),
        pictures=pictures,
        style={"color": "RED"},
        frame=7943,
        link="398654df",
        network=(Network(ip="192.168.1.198", mac="E0:A5:09:00:76:AD"),),
        normalized=False,
        message="eventCreateOptimize",
    )
    original = Original(method="POST", path="/", query="", content_type="application/json", parts=(b"{}",))
    return Delivery(event=event, document=b"{}", original=original), dict.fromkeys(range(len(pictures)), b"picture")


def _picture(role: str) -> Picture:
    return Picture(role=role, media_type="image/jpeg", width=1920, height=1080, size=7, sha256="0" * 64)


_TARGET = Target(
    track="17",
    box=Box(0.05, 0.18, 0.16, 0.19),
    region="1",
    attributes=(Attribute(key="type", label=_NAME, value="car"),),
    pictures=(1,),
)
