"""A first [protocol.NAME] for one captured body: what its fields most likely are, by their names and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any, Final

from bridge.config.protocol import SENDER
from bridge.formats import NO_PICTURE, media_type
from bridge.protocols.mapper import is_link, read_time
from bridge.protocols.times import is_plausible
from bridge.reading.decode import read_base64
from bridge.reading.document import find_all, opened, read_document

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS: Final = {
    "device": r"sn|serial(_?(no|number|num))?|(device|dev|box|camera|cam)_?(id|sn|no|code|serial)?|mac(_?addr(ess)?)?",
    "device_name": r"(device|dev|box)_?name",
    "channel": r"ch|chn|channel(_?(id|no|num|index))?|(camera|cam|stream)_?(no|num|index|channel)",
    "channel_name": r"(channel|chn|camera|cam)_?name",
    "kind": r"(event|alarm|algo(rithm)?|alert)?_?(type|kind|code|class)|event|alarm",
    "name": r"((event|alarm|alert|type|algo(rithm)?)_?)*name|title",
    "description": r"desc(ription)?|remark|content|detail|text",
    "msg_id": r"(msg|message|event|alarm|alert|log|push_?log|record)_?(uu)?id|uuid|guid|id|seq(_?(no|id))?",
}
_LINK: Final = r"(\w+_)?(pic|picture|img|image|photo|snap|snapshot)(_?(url|uri|path|link|addr(ess)?))?"
_NUMBER: Final = r"(\w+_)?(count|num|number|total)"
_EDGES: Final = (
    ("left", "top", "width", "height"),
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
)
_LABEL: Final = re.compile(r"label|type|class|name|kind", re.IGNORECASE)
_FORMATS: Final = ("auto", "yyyy-MM-dd HH:mm:ss", "yyyyMMddHHmmss", "yyyy/MM/dd HH:mm:ss", "yyyyMMddHHmmssSSS")
_SHORTEST_PICTURE: Final = 100
_MOST_FIELDS: Final = 1000
_LONGEST_PLACE: Final = 200
"""Characters: below a longer name, or more levels of names, nobody's event stands."""


def propose(body: bytes, path: str, received: datetime, zone: tzinfo) -> dict[str, Any]:
    """The keys of a table that reads this body; raises Malformed where it is no document at all."""
    document = read_document(body)
    events = _events(document)
    item = next(find_all(document, events), document) if events else document
    fields = list(islice(_fields(item, ""), _MOST_FIELDS))
    if item is not document and isinstance(document, dict):
        around = {name: value for name, value in document.items() if not isinstance(value, list)}
        fields += islice(_fields(around, ""), _MOST_FIELDS - len(fields))
    links = [place for place, value in fields if is_link(value) and _named(place, _LINK)]
    pictures = [place for place, value in fields if _is_picture(value)] + links
    told = [(place, value) for place, value in fields if place not in pictures and value not in (None, "")]
    proposed: dict[str, Any] = {"paths": [path]}
    if events:
        proposed["events"] = events
    times = _time(told, received, zone)
    boxes = _boxes(item)
    taken = set(times.values())
    for key, words in _WORDS.items():
        place = next((place for place, _ in told if place not in taken and _named(place, words)), None)
        if place is not None and not (boxes and place.startswith(boxes["at"])):
            proposed[key] = place
            taken.add(place)
    proposed.setdefault("kind", "=event")
    proposed |= times
    if pictures:
        proposed["pictures"] = pictures
    if links:
        proposed["fetch"] = [SENDER]
    if boxes:
        proposed["boxes"] = boxes
    if counts := {_last(place): place for place, value in told if type(value) is int and _named(place, _NUMBER)}:
        proposed["counts"] = counts
    return proposed


def _fields(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """All single values, each with its place; of a list its first item."""
    value = opened(value)
    if isinstance(value, dict):
        for name, inner in _below(value, place):
            yield from _fields(inner, name)
    elif isinstance(value, list):
        yield from _fields(value[0], f"{place}[0]") if value else ()
    else:
        yield place, value


def _below(value: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """What it holds, each with its place, unless that is too long; an empty name leads nowhere."""
    for name, inner in value.items():
        if name and len(place) + len(name) < _LONGEST_PLACE:
            yield f"{place}.{name}" if place else name, inner


def _events(document: Any) -> str:
    """The list that holds the events: the only one of objects of which one has a picture or more than two fields."""
    if isinstance(document, list):
        return "[]"
    if not isinstance(document, dict):
        return ""
    lists = [
        f"{name}[]"
        for name, value in document.items()
        if isinstance(value, list) and value and isinstance(value[0], dict) and not _corners(value[0])
    ]
    own = [name for name, value in document.items() if _is_picture(value)]
    return lists[0] if len(lists) == 1 and not own else ""


def _named(place: str, words: str) -> bool:
    return re.fullmatch(words, _CAMEL.sub("_", _last(place)).lower()) is not None


def _last(place: str) -> str:
    return place.rsplit(".", maxsplit=1)[-1]


def _time(told: list[tuple[str, Any]], received: datetime, zone: tzinfo) -> dict[str, str]:
    for place, value in told:
        if isinstance(value, bool) or not re.search("time|date|stamp|ts$|at$", place, re.IGNORECASE):
            continue
        for time_format in _FORMATS:
            try:
                happened = read_time(str(value), time_format, zone)
            except (ValueError, OverflowError, OSError):
                continue
            if is_plausible(happened, received):
                return {"time": place, "time_format": time_format}
    return {}


def _is_picture(value: Any) -> bool:
    if isinstance(value, bytes):
        return media_type(value) != NO_PICTURE
    if not isinstance(value, str) or len(value) < _SHORTEST_PICTURE:
        return False
    try:
        return media_type(read_base64(value)) != NO_PICTURE
    except ValueError:
        return False


def _boxes(item: Any) -> dict[str, str]:
    """The first list of objects that have corners."""
    for place, value in _lists(item, ""):
        if found := _corners(value[0]):
            numbers = [float(value[0][edge]) for edge in found.values()]
            unit = "fractions" if max(numbers) <= 1 else "pixels"
            label = next((name for name in value[0] if _LABEL.search(name)), "")
            return {"at": f"{place}[]", **found, "unit": unit} | ({"label": label} if label else {})
    return {}


def _lists(value: Any, place: str) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield place, value
    elif isinstance(value := opened(value), dict):
        for name, inner in _below(value, place):
            yield from _lists(inner, name)


def _corners(value: dict[str, Any]) -> dict[str, str]:
    """Which fields are its edges, by the names that a table gives them."""
    for edges in _EDGES:
        if all(isinstance(value.get(edge), int | float) for edge in edges):
            far = ("right", "bottom") if edges[2] in ("right", "x2", "xmax") else ("width", "height")
            return dict(zip(("left", "top", *far), edges, strict=True))
    return {}
