"""What a day held when it was over: lists of its files with their digests, each chained to the list before.

A list is what `sha256sum` writes and checks: `cd archive && sha256sum -c manifests/0000012_2026-11-23.sha256`. Its
first line is the digest of the list before it, so the digest of the newest list, the head, stands for all that was
sealed: who keeps a head elsewhere can tell later whether anything below it was changed. Files that come after their day
was sealed are in a further list.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from bridge_archive import durable
from bridge_archive.layout import INDEX

FOLDER: Final = "manifests"
REMOVED: Final = "removed.txt"
"""In that folder: the days that retention removed, one a line."""
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_NAME: Final = re.compile(r"(\d{7,})_(\d{4}-\d\d-\d\d)\.sha256")
_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)")
_CHUNK: Final = 1_048_576


class Line(NamedTuple):
    """One file of a list; its path is below the archive."""

    digest: str
    path: str


class Manifest(NamedTuple):
    """One list."""

    number: int
    day: str
    path: Path

    def lines(self) -> Iterator[Line]:
        """Its files, the list before it first; raises OSError, and ValueError where a line is none."""
        for number, text in enumerate(self.path.read_text("utf-8").splitlines(), 1):
            match = _LINE.fullmatch(text)
            if match is None:
                raise ValueError(f"line {number} is no digest and path")
            yield Line(match[1], match[2])


def manifests(root: Path) -> list[Manifest]:
    """All lists of an archive, oldest first; raises OSError."""
    paths = (root / FOLDER).iterdir() if (root / FOLDER).is_dir() else ()
    named = ((_NAME.fullmatch(path.name), path) for path in paths)
    return sorted(Manifest(int(match[1]), match[2], path) for match, path in named if match)


def head(root: Path) -> str:
    """The digest of the newest list; "" where nothing was sealed. Raises OSError."""
    known = manifests(root)
    return digest_of(known[-1].path) if known else ""


def seal(root: Path, day: str) -> int:
    """List the files of a day that are in no list yet; returns how many. Raises OSError, ValueError."""
    known = manifests(root)
    listed = {line.path for manifest in known if manifest.day == day for line in manifest.lines()}
    new = [path for path in files_of(root, day) if path not in listed]
    if not new:
        return 0
    before = [Line(digest_of(known[-1].path), f"{FOLDER}/{known[-1].path.name}")] if known else []
    lines = [*before, *(Line(digest_of(root / path), path) for path in new)]
    durable.make_folder(root / FOLDER)
    final = root / FOLDER / f"{known[-1].number + 1 if known else 1:07}_{day}.sha256"
    beside = final.with_name(f".{final.name}.part")
    durable.write_file(beside, "".join(f"{digest}  {path}\n" for digest, path in lines).encode(), time.time())
    beside.replace(final)
    durable.sync_folder(final.parent)
    return len(new)


def files_of(root: Path, day: str) -> list[str]:
    """The files of a day as paths below the archive, without its index, which is only made of them, and beginnings."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in (root / day).rglob("*")
        if path.is_file() and not path.name.startswith(".") and path != root / day / INDEX
    )


def days(root: Path) -> list[str]:
    """The days that have a folder, oldest first; raises OSError."""
    return sorted(path.name for path in root.iterdir() if DAY.fullmatch(path.name) and path.is_dir())


def removed(root: Path) -> set[str]:
    """The days that retention removed; raises OSError."""
    try:
        return {line[:10] for line in (root / FOLDER / REMOVED).read_text("utf-8").splitlines()}
    except FileNotFoundError:
        return set()


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
