"""The vendor's family: `eventCreateOptimize` and its kin, one JSON document a push, the same for every skill."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

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
from bridge.hookspecs import hookimpl
from bridge.normalizer import Answer, Key, Malformed, Normalizer, Outcome, Parsed, Push
from bridge.protocols.exact import read_exactly
from bridge.protocols.fields import Fields, Reading
from bridge.protocols.picture import Pictures
from bridge.protocols.scale import Scale
from bridge.protocols.times import is_plausible, moment
from bridge.reading.decode import read_json

EVENT = "eventCreateOptimize"
PATH = "/dataPush/DataReportCB"
"""Where boxes of the family push to unless they are told otherwise."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_NEAR = 2048
_in_order = msgspec.json.Encoder(order="deterministic").encode
_MSG_ID = re.compile(rb'"msg_id"\s*:\s*("(?:[^"\\\x00-\x1f\x80-\xff]|\\["\\/bfnrt]){0,200}"|-?[1-9]\d{0,17}|0)')
_WS_KEY = re.compile(rb'"wsKey"\s*:\s*"(\w{1,100})"', re.ASCII)


class SkillNormalizer(Normalizer):
    """Reads every skill of the family and knows none of them by name."""

    name = "skill"
    paths = (PATH,)

    def recognizes(self, push: Push) -> bool:
        """Whether `wsKey` stands near the beginning or, as the vendor sorts its keys, near the end."""
        return b'"wsKey"' in push.body[:_NEAR] or b'"wsKey"' in push.body[-_NEAR:]

    def parse(self, push: Push) -> Parsed:
        """Read the push; raises Malformed."""
        pictures = Pictures(push.body)
        event = read_exactly(push, pictures)
        return _parsed(push, event, pictures) if event else self._parse_leniently(push, pictures)

    def _parse_leniently(self, push: Push, pictures: Pictures) -> Parsed:
        try:
            document = read_json(pictures.text)
        except Malformed:
            if pictures.text is not push.body:  # the sentence names a place, and that should be one in the body itself
                read_json(push.body)
            raise
        ws_key = document.get("wsKey") if isinstance(document, dict) else None
        if not isinstance(ws_key, str) or not ws_key:
            raise Malformed("no wsKey: this is no message of the family")
        reading = Reading()
        root = Fields(document, "", reading)
        if ws_key != EVENT:
            return _kept_raw(push, ws_key, root, _echo(document))
        event = _event(push, root, pictures)
        return _parsed(push, event, pictures, reading.oddities, _echo(document))

    def answer(self, push: Push, parsed: Parsed | None, outcome: Outcome) -> Answer:
        """The vendor's envelope; `code` is 0 for success, else the HTTP status."""
        status = outcome.status
        if not outcome.success and status < 400:
            status = 400 if outcome.kind == "refused" else 503
        msg_id = parsed.reply if parsed else _scan_msg_id(push.body)
        body = {
            "wsKey": f"{parsed.message if parsed else _scan_message(push.body)}Result",
            "msg_id": msg_id,
            "code": 0 if outcome.success else status,
            "message": "success" if outcome.success else outcome.reason,
            "timestamp": int(time.time()),
        }
        return Answer(status=status, body=msgspec.json.encode(body))


@hookimpl
def register_normalizers() -> list[Normalizer]:
    """The vendor's family is built in."""
    return [SkillNormalizer()]


def _event(push: Push, root: Fields, pictures: Pictures) -> Event:
    message = root.object("message")
    network = tuple(map(_network, message.objects("netInfo")))
    device = _device(message.object("deviceInfo"), network, push.peer)
    channel = _channel(message.object("channelInfo"))
    skill = _skill(message.object("skillInfo"))
    data = message.object("data")
    happened = _plausible(data, "timestamp", push.received)
    scale = Scale(data.whole("normalized"), *_scene(data, pictures))
    event = Event(
        id=new_id(push.received),
        message=root.text("wsKey"),
        msg_id=root.text("msg_id"),
        kind=_id(data, "preWarn") or shortened(skill.id) or "event",
        name=skill.name,
        description=data.text("eventDesc"),
        occurred=happened or push.received,
        reported=_time(message, "requestTime"),
        received=push.received,
        time_from="device" if happened else "receipt",
        device=device,
        channel=channel,
        skill=skill,
        network=network,
        counts=_counts(data),
        regions=tuple(_region(region, scale) for region in data.objects("regionInfo")),
        targets=tuple(_target(target, scale, pictures) for target in data.objects("targetBasicInfo")),
        frame=data.whole("frameIndex"),
        link=data.text("linkId"),
        normalized=None if scale.normalized is None else scale.normalized != 0,
        style=pictures.cut_from(data.mapping("style")),
        dynamic=pictures.cut_from(data.anything("dynamicInfo")),
        pictures=(),
    )
    extra = pictures.cut_from(root.rest())
    pictures.add_others()
    if pictures.left_out:
        extra["(pictures)"] = f"({pictures.left_out} more pictures than an event takes; the original request has them)"
    return event.with_(extra=extra, pictures=tuple(pictures.named))


def _parsed(push: Push, event: Event, pictures: Pictures, oddities: Sequence[str] = (), reply: Any = None) -> Parsed:
    return Parsed(
        message=event.message,
        device=event.device.id,
        key=_key(push, event),
        events=(event,),
        pictures=pictures.cutouts,
        oddities=tuple(dict.fromkeys(oddities)),
        reply=event.msg_id if reply is None else reply,
    )


def _kept_raw(push: Push, ws_key: str, root: Fields, reply: Any) -> Parsed:
    """A message of the family that is no event: nothing is delivered, the body is kept as it came."""
    message = root.object("message")
    network = tuple(map(_network, message.objects("netInfo")))
    device = _device(message.object("deviceInfo"), network, push.peer)
    digest = hashlib.blake2b(push.body, digest_size=16).digest()
    key = Key(device.id, shortened(root.text("msg_id")) or digest.hex(), digest)
    return Parsed(message=ws_key, device=device.id, key=key, reply=reply)


def _key(push: Push, event: Event) -> Key:
    """The event's identity: what happened, without what a second sending of it may change."""
    what = event.with_(
        id="",
        reported=None,
        received=_EPOCH,
        occurred=event.occurred if event.time_from == "device" else _EPOCH,
        network=(),
        extra=event.extra and {path: value for path, value in event.extra.items() if path != "message.requestTime"},
    )
    digest = hashlib.blake2b(_in_order(what), digest_size=16).digest()
    msg_id = event.msg_id
    if not msg_id:
        # A body without id or time may come twice and mean two events, so it never counts as a second sending.
        timed = event.time_from == "device" or event.reported
        msg_id = hashlib.blake2b(push.body, digest_size=16).hexdigest() if timed else event.id
    return Key(event.device.id, shortened(msg_id), digest)


def _device(fields: Fields, network: tuple[Network, ...], peer: str) -> Device:
    serial, uuid, name = fields.text("id"), fields.text("uuid"), fields.text("name")
    mac = next((interface.mac for interface in network if interface.mac.strip("0:-. ")), "")
    device = Device(id=peer, id_from="peer", serial=serial, uuid=uuid if uuid != serial else "", name=name)
    identities = (uuid.strip(), "uuid"), (serial.strip(), "serial"), (mac.strip(), "mac")
    for value, id_from in identities:
        if value:
            return msgspec.structs.replace(device, id=shortened(value), id_from=id_from)
    return device


def _id(fields: Fields, name: str) -> str:
    """A text that becomes a name in topics, folders or metrics; where it is shortened for that, the whole is kept."""
    text = fields.text(name)
    short = shortened(text)
    if short != text:
        fields.keep(name)
    return short


def _network(fields: Fields) -> Network:
    return Network(
        ip=fields.text("ip"),
        mac=fields.text("mac"),
        gateway=fields.text("gateway"),
        netmask=fields.text("netmask"),
        dns=fields.text("dns"),
    )


def _channel(fields: Fields) -> Channel:
    return Channel(
        id=_id(fields, "channel") or "0",
        name=fields.text("name"),
        comment=fields.text("comment"),
        platform_id=fields.text("plat_channel_id", optional=True),
    )


def _skill(fields: Fields) -> Skill:
    return Skill(id=fields.text("id"), name=fields.text("name"), version=fields.text("version"))


def _time(fields: Fields, name: str) -> datetime | None:
    number = fields.number(name)
    try:
        return None if number is None else moment(number)
    except (ValueError, OverflowError, OSError):
        fields.refuse(name)
        return None


def _plausible(fields: Fields, name: str, received: datetime) -> datetime | None:
    """The time that the device's clock gave, unless it is absurd: then it stays in the rest."""
    happened = _time(fields, name)
    if happened is None or is_plausible(happened, received):
        return happened
    fields.refuse(name)
    return None


def _scene(data: Fields, pictures: Pictures) -> tuple[int, int]:
    """Take in the scene picture; returns the width and height that pixels are counted in, 0 where nothing tells."""
    told = data.whole("bgWidth") or 0, data.whole("bgHeight") or 0
    place = _picture(data, "bg", "scene", pictures, told, optional=False)
    seen = (pictures.named[place].width or 0, pictures.named[place].height or 0) if place is not None else (0, 0)
    # The picture's own size is in the event; what the push says otherwise would be lost.
    for name, by_push, by_picture in zip(("bgWidth", "bgHeight"), told, seen, strict=True):
        if by_push != by_picture:
            data.keep(name)
    return (told[0], told[1]) if told[0] > 0 and told[1] > 0 else seen


def _picture(
    fields: Fields, name: str, role: str, pictures: Pictures, told: tuple[int, int] = (0, 0), *, optional: bool = True
) -> int | None:
    """Take in one picture; returns its place among the event's, None where there is none or it can't be read."""
    text = fields.text(name, optional=optional)
    try:
        return pictures.add(role, text, told[0] or None, told[1] or None)
    except ValueError:
        # Short, it is worth showing (an address perhaps); long, it would only bloat the event: the body keeps it.
        fields.refuse(name, keep=len(text) < 1024)
        return None


def _region(fields: Fields, scale: Scale) -> Region:
    numbers = [point.number(axis) for point in fields.objects("locations") for axis in ("x", "y")]
    fractions = scale.fractions(*numbers)
    if fractions is None:
        fields.refuse("locations")
    points = zip((fractions or ())[::2], (fractions or ())[1::2], strict=True)
    return Region(
        id=fields.text("id"),
        name=fields.text("name"),
        kind=fields.text("type"),
        points=tuple(Point(x, y) for x, y in points),
    )


def _target(fields: Fields, scale: Scale, pictures: Pictures) -> Target:
    location = fields.object("location")
    fractions = scale.fractions(*(location.number(side) for side in ("left", "top", "width", "height")))
    if fractions is None and fields.has("location"):
        fields.refuse("location")
    shown = (
        _picture(fields, "img", "target", pictures),
        _picture(fields, "avatar", "reference", pictures),
    )
    return Target(
        track=fields.text("tracelId", optional=True) or fields.text("traceId", optional=True),
        box=Box(*fractions) if fractions else None,
        region=fields.text("regionId", optional=True),
        attributes=tuple(
            Attribute(key=item.text("key"), label=item.text("desc"), value=item.text("value"))
            for item in fields.objects("properties")
        ),
        pictures=tuple(place for place in shown if place is not None),
        extra=pictures.cut_from(fields.rest()),
    )


def _counts(data: Fields) -> dict[str, int]:
    """How many, by name; the document's own table has names alone, and then each mention counts one."""
    counts: dict[str, int] = {}
    for entry in data.objects("eventInfo"):
        name = entry.text("eventName")
        count = entry.whole("count", optional=True) if entry.has("count") else 1
        if not name:
            entry.keep("count")
        elif count is None:
            entry.keep("eventName")
        else:
            counts[name] = counts.get(name, 0) + count
    return counts


def _echo(document: dict[str, Any]) -> Any:
    """The message id as it came, number or text, for the answer."""
    msg_id = document.get("msg_id")
    return msg_id if isinstance(msg_id, str | int | float) else ""


def _scan_message(body: bytes) -> str:
    """The kind of message that a body which can't be read seems to be."""
    found = _WS_KEY.findall(body[:_NEAR]) or _WS_KEY.findall(body[-_NEAR:])
    return found[0].decode() if found else EVENT


def _scan_msg_id(body: bytes) -> Any:
    """The message id that a body which can't be read seems to have, as it came."""
    found = _MSG_ID.findall(body[-_NEAR:]) or _MSG_ID.findall(body[:_NEAR])
    return msgspec.Raw(found[-1]) if found else ""
