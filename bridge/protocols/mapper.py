"""A normalizer that is only configuration: `[protocol.NAME]` says where in a small vendor's pushes each fact stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from bridge.config.protocol import NUMBERS, SENDER, BoxSettings, ProtocolSettings, pattern_of
from bridge.event import Attribute, Box, Channel, Device, Event, Target, new_id, shortened
from bridge.formats import NO_PICTURE, media_type
from bridge.networks import Networks
from bridge.normalizer import Answer, Key, Malformed, Normalizer, Outcome, Parsed, Push
from bridge.protocols.fields import Reading, number_in
from bridge.protocols.picture import Pictures
from bridge.protocols.scale import Scale
from bridge.protocols.times import is_plausible, moment
from bridge.reading.document import find, find_all, forget_opened, read_document, without_boundary

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_COMPACT = re.compile(r"20\d{12}")
_BY_NUMBER = re.compile(
    r"http://([\d.]{7,15}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?(?:[/?][^\s\\#]*)?", re.IGNORECASE | re.ASCII
)
"""An address that names its host by number, and means the same to whoever reads it. No longer than numbers are, since
hosts are remembered."""
_SLOT = re.compile(r"\{msg_id\}|\{message\}|\{code\}")
_FIELD = re.compile(r"[^.\[\]=*|]+")
_MOST_AROUND = 4096
"""Bytes of what stands around the events of a push that each of them has in its `extra`,"""
_LONGEST_AROUND = 1024
"""characters of a text there that says something of each of them,"""
_MOST_PICTURES_AROUND = 8
"""and pictures that are of each of them."""


class Mapped(Normalizer):
    """Reads one small vendor's pushes as its table says."""

    def __init__(self, name: str, mapping: ProtocolSettings, zone: tzinfo) -> None:
        self.name = name  # type: ignore[misc]
        self.paths = tuple(mapping.paths)  # type: ignore[misc]
        self._mapping = mapping
        self._zone = mapping.timezone or zone
        self._from_sender = SENDER in mapping.fetch
        self._from = Networks(network for network in mapping.fetch if network != SENDER)
        places = (mapping.msg_id, mapping.device, mapping.device_name, mapping.channel, mapping.channel_name,
                  mapping.kind, mapping.name, mapping.description, mapping.time, *mapping.pictures,
                  *mapping.counts.values())  # fmt: skip
        self._read = {place for place in places if _FIELD.fullmatch(place)}
        """Fields that stand in the event itself; all others of a push are kept in its `extra`."""

    def recognizes(self, push: Push) -> bool:
        """Whether all places of `when` hold what they should."""
        if not self._mapping.when:
            return False
        try:
            return _holds(self._mapping.when, read_document(Pictures(push.body).text))
        except Malformed:
            return False
        finally:
            forget_opened()

    def parse(self, push: Push) -> Parsed:
        """Read the push; raises Malformed."""
        try:
            return self._parse(push)
        finally:
            forget_opened()

    def _parse(self, push: Push) -> Parsed:
        pictures = Pictures(push.body)
        document = read_document(pictures.text)
        if self._mapping.when and not _holds(self._mapping.when, document):
            raise Malformed(f"not what [protocol.{self.name}] takes by its `when`: {push.path}")
        if self._mapping.heartbeat and _holds(self._mapping.heartbeat, document):
            return self._heartbeat(push, document)
        found = list(find_all(document, self._mapping.events)) if self._mapping.events else [document]
        if not found:
            raise Malformed(f"no event in it: nothing stands at `{self._mapping.events}` of [protocol.{self.name}]")
        reading = Reading()
        around = _Around(document)
        first = self._event(push, around, found[0], pictures, reading)
        if len(found) > 1:
            around.shorten(pictures)
        others = [self._event(push, around, item, pictures, reading) for item in found[1:]]
        named = len(pictures.named)
        pictures.add_others()
        first = first.with_(pictures=(*first.pictures, *pictures.named[named:]))
        return Parsed(
            message=self.name,
            device=first.device.id,
            key=self._key(push, first),
            events=(first, *others),
            pictures=pictures.cutouts,
            wanted=tuple(pictures.wanted),
            oddities=tuple(dict.fromkeys(reading.oddities)),
            reply=first.msg_id,
        )

    def answer(self, push: Push, parsed: Parsed | None, outcome: Outcome) -> Answer:
        """The vendor's answer, from its template."""
        template = self._mapping.answer if outcome.success else self._mapping.failure
        values = {
            "{msg_id}": (parsed and parsed.reply) or "",
            "{message}": "success" if outcome.success else outcome.reason,
            "{code}": 0 if outcome.success else outcome.status,
        }
        # At one go: a push's own text may hold what stands for another.
        body = _SLOT.sub(lambda slot: msgspec.json.encode(values[slot[0]]).decode(), template)
        return Answer(status=outcome.status, body=body.encode())

    # --- One event

    def _event(self, push: Push, around: _Around, item: Any, pictures: Pictures, reading: Reading) -> Event:
        """The event of one item; what an item does not say, the whole document may."""
        mapping, oddities = self._mapping, reading.oddities

        def text(place: str) -> str:
            value = find(item, place)
            return around.text(place) if value is None else _text(value)

        first, unread = len(pictures.named), set()
        for place in mapping.pictures:
            values = (list(find_all(item, place)) if place != "*" else ()) or around.pictures(place)
            for value in _some(values, place, reading):
                role = "scene" if len(pictures.named) == first else "other"
                if not is_link(value):
                    _take_in(value, role, place, pictures, oddities)
                elif value in push.fetched:
                    _take_in(push.fetched[value], role, place, pictures, oddities)
                else:
                    oddities.append(place)
                    unread.add(place)
                    if self._may_fetch(value, push.peer):
                        pictures.wanted[value] = None
        occurred = self._occurred(text(mapping.time), push.received, oddities)
        if occurred is None:
            unread.add(mapping.time)
        read = self._read - unread
        extra = {name: value for name, value in around.said_with(item).items() if name not in read}
        size = _size(pictures, first)
        return Event(
            id=new_id(push.received),
            message=self.name,
            msg_id=text(mapping.msg_id),
            kind=shortened(text(mapping.kind)) or "event",
            name=text(mapping.name),
            description=text(mapping.description),
            occurred=occurred or push.received,
            received=push.received,
            time_from="device" if occurred else "receipt",
            device=_device(text(mapping.device), text(mapping.device_name), push.peer),
            channel=Channel(id=shortened(text(mapping.channel)) or "0", name=text(mapping.channel_name)),
            counts=_counts(item, mapping.counts),
            targets=tuple(_targets(item, mapping.boxes, size, reading)) if mapping.boxes else (),
            pictures=tuple(pictures.named[first:]),
            extra=pictures.cut_from(extra),
        )

    def _occurred(self, told: str, received: datetime, oddities: list[str]) -> datetime | None:
        if not told:
            return None
        try:
            happened = read_time(told, self._mapping.time_format, self._zone)
        except (ValueError, OverflowError, OSError):
            happened = None
        if happened is None or not is_plausible(happened, received):
            oddities.append(self._mapping.time)
            return None
        return happened

    def _may_fetch(self, link: str, peer: str) -> bool:
        """Whether a picture may be fetched from there."""
        match = _BY_NUMBER.fullmatch(link)
        host = match[1].strip("[]") if match else ""
        return (self._from_sender and host == peer.removeprefix("::ffff:")) or host in self._from

    def _heartbeat(self, push: Push, document: Any) -> Parsed:
        device = _device(_text(find(document, self._mapping.device)), "", push.peer)
        msg_id = _text(find(document, self._mapping.msg_id))
        return Parsed(message=self.name, device=device.id, key=Key(device.id, "", b""), heartbeat=True, reply=msg_id)

    def _key(self, push: Push, event: Event) -> Key:
        digest = hashlib.blake2b(without_boundary(push.body), digest_size=16).digest()
        # A body without id or time may come twice and mean two events, so it never counts as a second sending.
        msg_id = event.msg_id or (digest.hex() if event.time_from == "device" else event.id)
        return Key(event.device.id, shortened(msg_id), digest)


def read_time(told: str, time_format: str, zone: tzinfo) -> datetime:
    """A time as a device tells it, in UTC; raises ValueError, OverflowError or OSError where it is none."""
    number = number_in(told)
    if time_format in _PER_SECOND:
        if number is None:
            raise ValueError(told)
        return moment(number / _PER_SECOND[time_format] * 1000)
    if time_format in NUMBERS:
        if number is not None and not _COMPACT.fullmatch(told):
            return moment(number if abs(number) < 1e14 else number / 1000)
        happened = datetime.fromisoformat(told)
    else:
        happened = datetime.strptime(told, pattern_of(time_format))  # noqa: DTZ007 - its zone is the next line's
    return happened.replace(tzinfo=happened.tzinfo or zone).astimezone(UTC)


def _holds(wanted: Mapping[str, str], document: Any) -> bool:
    return all(
        (found := find(document, place)) is not None and text in ("*", _text(found)) for place, text in wanted.items()
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bytes):
        return ""
    return msgspec.json.encode(value).decode()


def _device(told: str, name: str, peer: str) -> Device:
    identity = told.strip()
    return (
        Device(id=shortened(identity), id_from="serial", serial=told, name=name)
        if identity
        else Device(id=peer, id_from="peer", name=name)
    )


class _Around:
    """What a push says around its events, and so of each of them; looked up once.

    What is long only the first event has: a push of a thousand would else become a thousand times as much.
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._said = {name: value for name, value in _fields(document).items() if not isinstance(value, list)}
        self._texts: dict[str, str] = {}
        self._pictures: dict[str, list[Any]] = {}
        self._is_short = False

    def text(self, place: str) -> str:
        """What stands in a place."""
        if place not in self._texts:
            self._texts[place] = _text(find(self._document, place))
        text = self._texts[place]
        return "" if self._is_short and len(text) > _LONGEST_AROUND else text

    def pictures(self, place: str) -> list[Any]:
        """The values in a place of pictures; `*`: all parts of a form that are one."""
        if place not in self._pictures:
            self._pictures[place] = _parts(self._document) if place == "*" else list(find_all(self._document, place))
        return self._pictures[place][: _MOST_PICTURES_AROUND if self._is_short else None]

    def said_with(self, item: Any) -> dict[str, Any]:
        """The fields of an event's part of the push, and those around it."""
        if item is self._document:
            return _fields(item)
        return self._said | (_fields(item) if isinstance(item, dict) else {"item": item})

    def shorten(self, pictures: Pictures) -> None:
        """The first event has it all; let the others have what is short."""
        self._is_short = True
        room, short = _MOST_AROUND, dict[str, Any]()
        for name, value in pictures.cut_from(self._said).items():
            size = len(name) + len(msgspec.json.encode(value))
            if size <= room:
                short[name] = value
                room -= size
        if len(short) < len(self._said):
            short["(more)"] = "(too long to be said with each event; the first one of the push has it)"
        self._said = short


def _fields(document: Any) -> dict[str, Any]:
    """What a part of a push says, without the bytes of a form's parts."""
    fields = document if isinstance(document, dict) else {}
    return {name: value for name, value in fields.items() if not isinstance(value, bytes)}


def _some(values: Iterable[Any], place: str, reading: Reading) -> Iterator[Any]:
    """As many of them as are still read of the push; that there are more is odd."""
    for value in values:
        if not reading.objects:
            reading.oddities.append(place)
            return
        reading.objects -= 1
        yield value


def _parts(document: Any) -> list[Any]:
    """The parts of a form that are pictures."""
    parts = document.values() if isinstance(document, dict) else ()
    return [part for part in parts if isinstance(part, bytes) and media_type(part) != NO_PICTURE]


def is_link(value: Any) -> bool:
    """Whether a picture's place holds only its address."""
    return isinstance(value, str) and value[:8].lower().startswith(("http://", "https://"))


def _take_in(value: Any, role: str, place: str, pictures: Pictures, oddities: list[str]) -> None:
    try:
        if isinstance(value, bytes):
            pictures.add_bytes(role, value)
        elif isinstance(value, str):
            pictures.add(role, value)
    except ValueError:
        oddities.append(place)


def _size(pictures: Pictures, first: int) -> tuple[int, int]:
    if len(pictures.named) <= first:
        return 0, 0
    scene = pictures.named[first]
    return scene.width or 0, scene.height or 0


def _counts(item: Any, places: Mapping[str, str]) -> dict[str, int]:
    numbers = {name: number_in(find(item, place)) for name, place in places.items()}
    return {name: int(number) for name, number in numbers.items() if number is not None}


def _targets(item: Any, boxes: BoxSettings, size: tuple[int, int], reading: Reading) -> Iterator[Target]:
    for found in _some(find_all(item, boxes.at), boxes.at, reading):
        label = _text(find(found, boxes.label))
        yield Target(
            track=_text(find(found, boxes.track)),
            box=_box(found, boxes, size, reading.oddities),
            attributes=(Attribute(key=boxes.label, value=label),) if label else (),
        )


def _box(found: Any, boxes: BoxSettings, size: tuple[int, int], oddities: list[str]) -> Box | None:
    left, top = number_in(find(found, boxes.left)), number_in(find(found, boxes.top))
    width, height = number_in(find(found, boxes.width)), number_in(find(found, boxes.height))
    right, bottom = number_in(find(found, boxes.right)), number_in(find(found, boxes.bottom))
    if left is not None and right is not None:
        width = right - left
    if top is not None and bottom is not None:
        height = bottom - top
    counted = {"fractions": (1, 1), "thousandths": (1000, 1000), "pixels": size}[boxes.unit]
    fractions = Scale(0, *counted).fractions(left, top, width, height)
    if fractions is None:
        oddities.append(boxes.at)
        return None
    return Box(*fractions)
