"""The files of a journal's folder, told apart by their headers. Nothing is touched here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from msgspec import Struct

from bridge.journal.segment import Header, NotASegment, file_name, read_header

INDEX: Final = "index.sqlite"
"""The index, beside the segments,"""
LOCK: Final = "lock"
"""and what a process holds that uses them."""


class Stray(Struct, frozen=True):
    """A file that is named like a segment and is none of this journal's."""

    path: Path
    reason: str
    headless: bool = False


class Survey(Struct, frozen=True):
    """What a folder holds."""

    uuid: bytes | None
    """The journal's; None where there is no segment."""
    segments: list[tuple[Path, Header]]
    """Oldest first."""
    strays: list[Stray]


def survey(folder: Path) -> Survey:
    """Read the headers of all segments; the journal is the one that most of them are of.

    Raises NewerFormat, and OSError where the disk does not give a header that may be sound.
    """
    found: list[tuple[Path, Header]] = []
    strays: list[Stray] = []
    for path in sorted(path for path in folder.iterdir() if path.suffix == ".seg"):
        try:
            header = read_header(path)
        except FileNotFoundError:  # a daemon that uses the folder was done with it just now
            continue
        except NotASegment as error:
            strays.append(Stray(path, str(error), headless=True))
            continue
        if path.name == file_name(header.number):
            found.append((path, header))
        else:
            strays.append(Stray(path, f"it is a copy of {file_name(header.number)}"))
    uuids = Counter(header.uuid for _, header in found)
    uuid = uuids.most_common(1)[0][0] if uuids else None
    strays += [Stray(path, "it belongs to another journal") for path, header in found if header.uuid != uuid]
    mine = [(path, header) for path, header in found if header.uuid == uuid]
    return Survey(uuid, sorted(mine, key=lambda pair: pair[1].number), strays)
