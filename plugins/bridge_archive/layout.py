"""The names of folders and files in an archive. Names only; nothing here touches a disk.

Every id becomes one name that Linux, macOS and Windows take, and two ids never share a name: what would break one is
written `%xx`, and what would be too long is cut and ends in `+` and a digest (`+` itself is always written `%2B`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from string import Formatter
from typing import Final

from bridge import Event, did_you_mean, escape

TEMPLATE: Final = "{date}/{device}/{channel}/{time}_{kind}_{id}"
"""Where an event's files lie, and what their names begin with, unless the owner says otherwise."""

NAMES: Final = ("date", "hour", "time", "site", "device", "channel", "kind", "skill", "id")
"""What a template may name. Date and time are those of receipt, so that the same event again has the same place."""

INDEX = "events.jsonl"
"""In each day's folder: one line an event."""

LATEST = "latest"
"""The folder of each channel's latest scene."""

ANNOTATED = "_annotated.jpg"
"""What the name of a scene's annotated copy ends with; a role ends in a number, so none is called like it."""

LONGEST = 96
"""Bytes of one id in a name, so that the whole name stays below the 255 that file systems take."""

_LONGEST_PART = 209
"""Bytes of one part of a path, so that an ending, and what stands around it while it is written, still fit."""

_CLOCKS = ("date", "hour", "time")
_CLOCK = 10
"""Bytes that one of these takes at most."""

_SHORTEST = 26
"""Bytes of an id that a part of a path must have room for: those of an event's."""

_DIGEST = 20
_FORBIDDEN = frozenset('<>:"\\|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin%24|conout%24)(\..*)?", re.IGNORECASE)


def name_of(text: str, longest: int = LONGEST, also: str = "") -> str:
    """The name that stands for an id. `also`: characters that mean something where the name is used."""
    name = _tamed("".join(_hex(c) if c in _FORBIDDEN or c in also else c for c in escape(text)))
    if len(name.encode()) <= longest:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return name.encode()[: longest - _DIGEST - 1].decode(errors="ignore") + "+" + digest


def faults_of(template: str) -> Iterator[str]:
    """What is wrong with a template."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        yield f'"{template}" is no layout: {error}'
        return
    named = [name + (f"!{how}" if how else "") + (f":{form}" if form else "")
             for _, name, form, how in parts if name is not None]  # fmt: skip
    unknown = [name for name in named if name not in NAMES]
    for name in unknown:
        hint = did_you_mean(name, NAMES) or f" (there are: {', '.join(NAMES)})"
        yield f'"{name}" is no name in a layout{hint}'
    folders = template.split("/")
    if folders[0] != "{date}":
        yield "has to begin with {date}/, since whole days are sealed and removed"
    if not unknown and "id" not in [name for _, name in _pieces(folders[-1])]:
        yield "needs {id} in its last part, or events would share their files"
    fixed = "".join(text for text, *_ in parts)
    if not all(_whole(folder) for folder in folders) or any(
        c in _FORBIDDEN or c in "%+ " or not c.isprintable() for c in fixed
    ):
        yield f'"{template}" is no layout that every system takes; "{TEMPLATE}" would be one'
    if not unknown and any(_room(folder) < _SHORTEST for folder in folders):
        yield f'"{template}" makes names longer than file systems take; "{TEMPLATE}" does not'


class Layout:
    """Where the events of one archive lie."""

    def __init__(self, template: str, timezone: tzinfo) -> None:
        self._parts = [(list(_pieces(part)), min(LONGEST, _room(part))) for part in template.split("/")]
        self._timezone = timezone

    def stem_of(self, event: Event) -> Path:
        """What the paths of all files of an event begin with, below the archive; the first part is its day."""
        received = event.received.astimezone(self._timezone)
        values = {
            "date": f"{received:%Y-%m-%d}",
            "hour": f"{received:%H}",
            "time": f"{received:%H%M%S}.{received.microsecond // 1000:03d}",
            "site": event.site,
            "device": event.device.id,
            "channel": event.channel.id,
            "kind": event.kind,
            "skill": event.skill.id,
            "id": event.id,
        }
        return Path(*(_filled(pieces, longest, values) for pieces, longest in self._parts))


def picture_endings(event: Event) -> Iterator[str]:
    """What the name of each picture ends with: `.jpg` for the scene, `_target-1.jpg` and so on for further ones."""
    seen: dict[str, int] = {}
    for picture in event.pictures:
        number = seen[picture.role] = seen.get(picture.role, 0) + 1
        role = "" if (picture.role, number) == ("scene", 1) else f"_{name_of(picture.role, 32)}-{number}"
        yield f"{role}.{picture.extension}"


def latest_of(event: Event, ending: str) -> str:
    """The name of the channel's latest scene in the folder `latest`."""
    return f"{name_of(event.device.id)}_{name_of(event.channel.id, also='_')}{ending}"


def _pieces(part: str) -> Iterator[tuple[str, str]]:
    """Text and the name that follows it, which is "" after the last."""
    return ((text, name or "") for text, name, *_ in Formatter().parse(part))


def _filled(pieces: list[tuple[str, str]], longest: int, values: Mapping[str, str]) -> str:
    """One part of a path. Underscores stand between names, so an id has none."""
    filled = [text + (name_of(values[name], longest, "_" if name == "id" else "") if name else "")
              for text, name in pieces]  # fmt: skip
    return _tamed("".join(filled))


def _room(part: str) -> int:
    """So many bytes each id may take in a part of a path."""
    pieces = list(_pieces(part))
    clocks = sum(name in _CLOCKS for _, name in pieces)
    ids = sum(bool(name) for _, name in pieces) - clocks
    room = _LONGEST_PART - sum(len(text.encode()) for text, _ in pieces) - clocks * _CLOCK
    return room // max(ids, 1)


def _whole(part: str) -> bool:
    """Whether a part of a template is there, and means nothing of its own by a dot at its ends."""
    return bool(part) and not part.startswith(".") and not part.endswith(".")


def _tamed(name: str) -> str:
    """A name that means nothing of its own anywhere."""
    if _RESERVED.fullmatch(name) or name.startswith(".") or name.casefold() == INDEX:
        name = _hex(name[0]) + name[1:]
    return name[:-1] + _hex(".") if name.endswith(".") else name


def _hex(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
