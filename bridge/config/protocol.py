"""[protocol.NAME]: how the pushes of a small vendor are read, by configuration alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from bridge.networks import is_network

_PLACE = re.compile(r"=.*|\*|[^\s.\[\]|=]+(?:\[\d*\])*(?:\.[^\s.\[\]|=]+(?:\[\d*\])*)*", re.DOTALL)
_LETTERS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%f"}
_LETTER = re.compile("|".join(_LETTERS))
_SOME_TIME = datetime(2026, 11, 24, 23, 21, 54, tzinfo=UTC)
NUMBERS = ("auto", "s", "ms", "us")
"""Formats of a time that is a number; `auto` also reads ISO 8601."""
SENDER = "sender"
"""In `fetch`: the address that the push itself came from."""


class BoxSettings(Struct, frozen=True, kw_only=True):
    """[protocol.NAME.boxes]: rectangles around what was seen."""

    at: Annotated[str, Meta(description="The list of objects, as `objects[]`.")]
    left: Annotated[str, Meta(description="Left edge, below `at`.")] = "x"
    top: Annotated[str, Meta(description="Top edge.")] = "y"
    width: Annotated[str, Meta(description="Width; leave out where there is `right`.")] = ""
    height: Annotated[str, Meta(description="Height; leave out where there is `bottom`.")] = ""
    right: Annotated[str, Meta(description="Right edge, in place of a width.")] = ""
    bottom: Annotated[str, Meta(description="Bottom edge, in place of a height.")] = ""
    unit: Annotated[
        Literal["fractions", "thousandths", "pixels"],
        Meta(description="What the numbers count: parts of the picture, thousandths of it, or its pixels."),
    ] = "pixels"
    label: Annotated[str, Meta(description="What the object is.")] = ""
    track: Annotated[str, Meta(description="The track that it belongs to.")] = ""

    def faults(self) -> Iterator[str]:
        """Places that are none, and far edges that are missing."""
        if bool(self.width) == bool(self.right) or bool(self.height) == bool(self.bottom):
            yield "a box needs width and height, or right and bottom"
        yield from _no_places(self, ("at", "left", "top", "width", "height", "right", "bottom", "label", "track"))


class ProtocolSettings(Struct, frozen=True, kw_only=True):
    """[protocol.NAME]: one small vendor's pushes. A place is given as names joined by dots, as `alarm.camera.id`."""

    paths: Annotated[
        list[str],
        Meta(description="Paths that its devices push to, or their beginnings ending in `/`.", examples=[["/alarm"]]),
    ] = []
    when: Annotated[
        dict[str, str],
        Meta(
            description="Taken on any path where these places hold these texts; `*`: anything.",
            examples=[{"alarm.type": "*"}],
        ),
    ] = {}
    events: Annotated[
        str, Meta(description="Where the events are, as `alarms[]`; left out: the body is one.", examples=["alarms[]"])
    ] = ""
    msg_id: Annotated[str, Meta(description="The push's own id: the same twice is one event.", examples=["uuid"])] = ""
    device: Annotated[str, Meta(description="Who sent it; left out: its address.", examples=["camera.sn"])] = ""
    device_name: Annotated[str, Meta(description="Its name for people.", examples=["camera.name"])] = ""
    channel: Annotated[str, Meta(description="Which camera.", examples=["camera.channel"])] = ""
    channel_name: Annotated[str, Meta(description="The camera's name.", examples=["camera.channelName"])] = ""
    kind: Annotated[
        str, Meta(description="What happened, as the vendor's code; `=text` says it for all.", examples=["type"])
    ] = ""
    name: Annotated[str, Meta(description="What happened, for people.", examples=["typeName"])] = ""
    description: Annotated[str, Meta(description="A sentence about it.", examples=["text"])] = ""
    time: Annotated[str, Meta(description="When it happened; left out: when it was received.", examples=["time"])] = ""
    time_format: Annotated[
        str, Meta(description='`auto`, `s`, `ms`, `us`, or a pattern as "yyyyMMddHHmmss" or "%Y-%m-%d %H:%M:%S".')
    ] = "auto"
    timezone: Annotated[
        ZoneInfo | None, Meta(description="Of times that say none; else the configuration's.", examples=["Asia/Tokyo"])
    ] = None
    pictures: Annotated[
        list[str],
        Meta(
            description="Where they are, as base64 or as parts of a form; `*`: each part that is one.",
            examples=[["image"]],
        ),
    ] = []
    fetch: Annotated[
        list[str],
        Meta(
            description="Where pictures that come as http addresses may be fetched from: `sender`, or networks.",
            examples=[["sender"]],
        ),
    ] = []
    boxes: Annotated[
        BoxSettings | None, Meta(description="Rectangles.", examples=[{"at": "objects[]", "width": "w", "height": "h"}])
    ] = None
    counts: Annotated[dict[str, str], Meta(description="Numbers by name.", examples=[{"people": "count"}])] = {}
    heartbeat: Annotated[
        dict[str, str],
        Meta(
            description="Where these places hold these texts, it only says that it is there.",
            examples=[{"type": "heartbeat"}],
        ),
    ] = {}
    answer: Annotated[
        str, Meta(description="What success is answered with; `{msg_id}` and `{message}` are put in as JSON texts.")
    ] = '{"code":0,"message":{message}}'
    failure: Annotated[str, Meta(description="What a refusal is answered with; `{code}` is its number.")] = (
        '{"code":{code},"message":{message}}'
    )
    examples: Annotated[
        Path | None, Meta(description="Folder of captured bodies; `check` reads each.", examples=["captured"])
    ] = None

    def faults(self) -> Iterator[str]:
        """Keys that can't be meant so."""
        if not self.paths and not self.when:
            yield "how are its pushes known? Set `paths`, `when`, or both"
        for path in self.paths:
            if not path.startswith("/"):
                yield f'paths: "{path}" must begin with /'
        if self.time_format not in NUMBERS and not _is_pattern(pattern_of(self.time_format)):
            yield f'time_format: "{self.time_format}" is none of {", ".join(NUMBERS)} and no pattern'
        for place in self.fetch:
            if place != SENDER and not is_network(place):
                yield f'fetch: "{place}" is neither "sender" nor a network, such as "192.168.0.0/16"'
        for key in ("when", "heartbeat", "counts"):
            places = getattr(self, key)
            for place in places.values() if key == "counts" else places:
                yield from _no_place(key, place)
        for place in self.pictures:
            yield from _no_place("pictures", place)
        single = ("events", "msg_id", "device", "device_name", "channel", "channel_name", "kind", "name")
        yield from _no_places(self, (*single, "description", "time"))


def pattern_of(time_format: str) -> str:
    """A time format as `strptime` takes it: "yyyyMMddHHmmss" becomes "%Y%m%d%H%M%S"."""
    if "%" in time_format:
        return time_format
    return _LETTER.sub(lambda letter: _LETTERS[letter[0]], time_format)


def _is_pattern(pattern: str) -> bool:
    """Whether `strptime` takes it: a time written by it can be read by it."""
    try:
        datetime.strptime(_SOME_TIME.strftime(pattern), pattern)  # noqa: DTZ007 - nobody asks what it reads
    except (ValueError, re.error):  # the latter where a directive stands twice
        return False
    return "%" in pattern


def _no_places(settings: Struct, keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        if place := getattr(settings, key):
            yield from _no_place(key, place)


def _no_place(key: str, place: str) -> Iterator[str]:
    for one in place.split(" | "):
        if not _PLACE.fullmatch(one):
            yield f'{key}: "{one}" is no place in a body, such as "alarm.camera.id"'
