"""Finding an event's files in an archive by its id alone, without the daemon: an id says when it was received."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_LETTERS: Final = 10


def stem_of_id(root: Path, event_id: str, zone: tzinfo) -> Path | None:
    """What the paths of an event's files begin with, below the archive; None where it is not there."""
    received = received_of(event_id)
    if received is None:
        return None
    for day in (0, -1, 1):  # the zone may have been another one then
        folder = root / f"{(received.astimezone(zone) + timedelta(days=day)):%Y-%m-%d}"
        for path in folder.rglob(f"*{event_id}*.json"):  # wherever the layout of that day had it
            if not path.name.endswith(".original.json") and _is_of(path, event_id):
                return path.relative_to(root).with_suffix("")
    return None


def _is_of(path: Path, event_id: str) -> bool:
    """Whether a document is the event's: a device may bear another event's id as its name. A damaged one may be."""
    try:
        document = json.loads(path.read_bytes())
    except OSError:
        return path.is_file()
    except ValueError:
        return True
    return not isinstance(document, dict) or document.get("id") == event_id


def files_of(root: Path, stem: Path) -> list[Path]:
    """An event's files that are there, by what their paths below the archive begin with; raises OSError."""
    folder = root / stem.parent
    if not folder.is_dir():
        return []
    own = f"{stem.name}.json", f"{stem.name}.original.json"
    paths = [path for path in folder.iterdir() if path.name.startswith((f"{stem.name}.", f"{stem.name}_"))]
    # A kind may be such that another event's names begin with this one's.
    others = tuple(path.stem for path in paths if path.suffix == ".json" and path.name not in own)
    return sorted(path for path in paths if path.name in own or not path.name.startswith(others))


def received_of(event_id: str) -> datetime | None:
    """When an event was received, as its id says; None for what is no id."""
    if len(event_id) != 26 or not set(event_id) <= set(_CROCKFORD):
        return None
    number = 0
    for letter in event_id[:_TIME_LETTERS]:
        number = number * 32 + _CROCKFORD.index(letter)
    try:
        return datetime.fromtimestamp(number / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
