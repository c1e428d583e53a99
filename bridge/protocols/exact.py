"""The fast way to read a push: one that keeps to the vendor's document to the letter, as nearly all do.

Whatever differs in any way, by a field more, a field less, another type, an odd time or picture, is not read here but
field by field. Both ways give the same event.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from bridge.event import (
    Attribute,
    Box,
    Channel,
    Device,
    Event,
    Network,
    Point,
    Region,
    Skill,
    Target,
    new_id,
    shortened,
)
from bridge.normalizer import Push
from bridge.protocols.fields import MOST_OBJECTS
from bridge.protocols.picture import SHORTEST, Pictures
from bridge.protocols.scale import Scale
from bridge.protocols.times import is_plausible, moment

_MOST = 2**63 - 1
_Int = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
_Number = _Int | Annotated[float, Meta(gt=-(2**63), lt=2**63)]
_FEW = Meta(max_length=1000)
_Short = Annotated[str, Meta(max_length=SHORTEST - 1)]
"""Text that is too short to hold a picture."""
_LONGEST = 10 * MOST_OBJECTS
"""Bytes of text, in which there is no place for more objects than one push may have."""
_REMEMBERED = 128
"""Devices, channels, skills, networks and sets of regions,"""
_REMEMBERED_BYTES = 4096
"""each of so many bytes at most, so that nobody fills memory with them."""
_Read = TypeVar("_Read")


class _Odd(Exception):
    """The push is to be read field by field."""


class _Exact(Struct, forbid_unknown_fields=True):
    """An object with just these fields, all of them there but for those with a default."""


class _DeviceInfo(_Exact):
    id: str
    name: str
    uuid: str


class _NetInfo(_Exact):
    mac: str
    ip: str
    gateway: str
    netmask: str
    dns: str


class _ChannelInfo(_Exact):
    channel: _Int
    name: str
    comment: str
    plat_channel_id: str = ""


class _SkillInfo(_Exact):
    id: str
    name: str
    version: str


class _Position(_Exact):
    x: _Number
    y: _Number


class _RegionInfo(_Exact):
    type: str
    id: str
    name: str
    locations: Annotated[list[_Position], _FEW]


class _Property(_Exact):
    key: str
    desc: str
    value: str


class _Location(_Exact):
    left: _Number
    top: _Number
    width: _Number
    height: _Number


class _TargetInfo(_Exact, kw_only=True):
    properties: Annotated[list[_Property], _FEW]
    location: _Location
    region: str = msgspec.field(default="", name="regionId")
    track: str = msgspec.field(default="", name="tracelId")
    img: Literal[""] = ""
    avatar: Literal[""] = ""


class _EventInfo(_Exact):
    name: str = msgspec.field(name="eventName")
    count: _Int


class _Data(_Exact, rename="camel"):
    pre_warn: str
    timestamp: _Int
    bg: str
    bg_width: _Int
    bg_height: _Int
    frame_index: _Int
    link_id: str
    normalized: _Int
    style: Annotated[dict[str, _Int | _Short], _FEW]
    region_info: Raw
    target_basic_info: Annotated[list[_TargetInfo], _FEW]
    event_desc: str
    event_info: Annotated[list[_EventInfo], _FEW]
    dynamic_info: Literal[""] | None = None


class _Message(_Exact, rename="camel"):
    request_time: _Int
    device_info: Raw
    net_info: Raw
    channel_info: Raw
    skill_info: Raw
    data: _Data


class _Document(_Exact):
    ws_key: Literal["eventCreateOptimize"] = msgspec.field(name="wsKey")
    msg_id: str
    message: _Message


_decode = msgspec.json.Decoder(_Document).decode
_decode_device = msgspec.json.Decoder(_DeviceInfo).decode
_decode_channel = msgspec.json.Decoder(_ChannelInfo).decode
_decode_skill = msgspec.json.Decoder(_SkillInfo).decode
_decode_network = msgspec.json.Decoder(Annotated[list[_NetInfo], _FEW]).decode
_decode_regions = msgspec.json.Decoder(Annotated[list[_RegionInfo], _FEW]).decode


def read_exactly(push: Push, pictures: Pictures) -> Event | None:
    """The event of a push that keeps to the document; None, and nothing done, where it does not."""
    if len(pictures.text) > _LONGEST:
        return None
    try:
        document = _decode(pictures.text)
        return _event(push, document, pictures)
    except (_Odd, msgspec.DecodeError, ValueError, OverflowError, OSError, RecursionError):
        return None


def _event(push: Push, document: _Document, pictures: Pictures) -> Event:
    message, data = document.message, document.message.data
    skill = _skill(message.skill_info)
    device, channel = _device(message.device_info), _channel(message.channel_info)
    network = _network(message.net_info)
    scale = Scale(data.normalized, data.bg_width, data.bg_height)
    occurred, reported = moment(data.timestamp), moment(message.request_time)
    regions = _regions(data.region_info, scale)
    targets = tuple([_target(target, scale) for target in data.target_basic_info])
    counts = {entry.name: entry.count for entry in data.event_info}
    named = data.pre_warn and data.pre_warn == shortened(data.pre_warn) and document.msg_id
    counted = "" not in counts and len(counts) == len(data.event_info)
    sized = data.bg_width > 0 and data.bg_height > 0
    if not (named and counted and sized and is_plausible(occurred, push.received) and pictures.is_alone(data.bg)):
        raise _Odd
    extra = _take_scene(data, pictures)  # nothing is odd from here on
    return Event(
        id=new_id(push.received),
        message=document.ws_key,
        msg_id=document.msg_id,
        kind=data.pre_warn,
        name=skill.name,
        description=data.event_desc,
        occurred=occurred,
        reported=reported,
        received=push.received,
        time_from="device",
        device=device,
        channel=channel,
        skill=skill,
        network=network,
        counts=counts,
        regions=regions,
        targets=targets,
        frame=data.frame_index,
        link=data.link_id,
        normalized=data.normalized != 0,
        style=data.style,
        dynamic=data.dynamic_info,
        pictures=tuple(pictures.named),
        extra=extra,
    )


def _take_scene(data: _Data, pictures: Pictures) -> dict[str, Any]:
    """Name the scene; returns what the push says of its size otherwise than the picture itself, and would be lost."""
    place = pictures.add("scene", data.bg, data.bg_width, data.bg_height)
    seen = (0, 0) if place is None else (pictures.named[place].width, pictures.named[place].height)
    told = (("message.data.bgWidth", data.bg_width), ("message.data.bgHeight", data.bg_height))
    return {path: size for (path, size), own in zip(told, seen, strict=True) if size != own}


def _remembered(read: Callable[..., _Read]) -> Callable[..., _Read]:
    """What the same devices say in all their pushes is read once, unless it is long."""
    again = lru_cache(_REMEMBERED)(read)

    def remembered(raw: Raw, *more: Hashable) -> _Read:
        text = bytes(raw)
        return again(text, *more) if len(text) <= _REMEMBERED_BYTES else read(text, *more)

    return remembered


@_remembered
def _device(text: bytes) -> Device:
    told = _decode_device(text)
    identity = told.uuid.strip()
    if not identity or identity != shortened(identity):
        raise _Odd
    return Device(id=identity, serial=told.id, uuid=told.uuid if told.uuid != told.id else "", name=told.name)


@_remembered
def _channel(text: bytes) -> Channel:
    told = _decode_channel(text)
    return Channel(id=str(told.channel), name=told.name, comment=told.comment, platform_id=told.plat_channel_id)


@_remembered
def _skill(text: bytes) -> Skill:
    told = _decode_skill(text)
    return Skill(id=told.id, name=told.name, version=told.version)


@_remembered
def _network(text: bytes) -> tuple[Network, ...]:
    return tuple(
        Network(ip=told.ip, mac=told.mac, gateway=told.gateway, netmask=told.netmask, dns=told.dns)
        for told in _decode_network(text)
    )


@_remembered
def _regions(text: bytes, scale: Scale) -> tuple[Region, ...]:
    return tuple([_region(told, scale) for told in _decode_regions(text)])


def _region(told: _RegionInfo, scale: Scale) -> Region:
    fractions = scale.fractions(*[number for point in told.locations for number in (point.x, point.y)])
    if fractions is None:
        raise _Odd
    points = tuple(map(Point, fractions[::2], fractions[1::2]))
    return Region(id=told.id, name=told.name, kind=told.type, points=points)


def _target(told: _TargetInfo, scale: Scale) -> Target:
    place = told.location
    fractions = scale.fractions(place.left, place.top, place.width, place.height)
    if fractions is None:
        raise _Odd
    attributes = tuple([Attribute(key=item.key, label=item.desc, value=item.value) for item in told.properties])
    return Target(track=told.track, box=Box(*fractions), region=told.region, attributes=attributes)
