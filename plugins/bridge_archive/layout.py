"""The names of folders and files in an archive. Names only; nothing here touches a disk.

Every id becomes one name that Linux, macOS and Windows take, and two ids never share a name: what would break one is
written `%xx`, and what would be too long is cut and ends in `+` and a digest (`+` itself is always written `%2B`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path

from bridge import Event, escape

INDEX = "events.jsonl"
"""In each day's folder: one line an event."""

LATEST = "latest"
"""The folder of each channel's latest scene."""

ANNOTATED = "_annotated.jpg"
"""What the name of a scene's annotated copy ends with; a role ends in a number, so none is called like it."""

LONGEST = 96
"""Bytes of one id in a name, so that the whole name stays below the 255 that file systems take."""

_DIGEST = 20
_FORBIDDEN = frozenset('<>:"\\|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin%24|conout%24)(\..*)?", re.IGNORECASE)


def name_of(text: str, longest: int = LONGEST, also: str = "") -> str:
    """The name that stands for an id. `also`: characters that mean something where the name is used."""
    name = escape(text)
    name = "".join(_hex(c) if c in _FORBIDDEN or c in also else c for c in name)
    if _RESERVED.fullmatch(name) or name.startswith(".") or name.casefold() == INDEX:
        name = _hex(name[0]) + name[1:]
    if name.endswith("."):
        name = name[:-1] + _hex(".")
    if len(name.encode()) <= longest:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return name.encode()[: longest - _DIGEST - 1].decode(errors="ignore") + "+" + digest


def folder_of(event: Event, timezone: tzinfo) -> Path:
    """The folder of an event, below the archive: day of receipt, device, channel."""
    return Path(_day(event, timezone), name_of(event.device.id), name_of(event.channel.id))


def index_of(event: Event, timezone: tzinfo) -> Path:
    """The file, below the archive, that has a line for each event of this event's day."""
    return Path(_day(event, timezone), INDEX)


def stem_of(event: Event, timezone: tzinfo) -> str:
    """What the names of all files of an event begin with: time of receipt, kind, id."""
    received = _local(event.received, timezone)
    time = f"{received:%H%M%S}.{received.microsecond // 1000:03d}"
    return f"{time}_{name_of(event.kind)}_{name_of(event.id, also='_')}"


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


def _day(event: Event, timezone: tzinfo) -> str:
    return f"{_local(event.received, timezone):%Y-%m-%d}"


def _local(time: datetime, timezone: tzinfo) -> datetime:
    return time.astimezone(timezone)


def _hex(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
