"""Is an archive what it was? Each file against its list, each list against the next, a head that was kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from bridge_archive.manifest import FOLDER, Manifest, days, digest_of, files_of, manifests, removed
from bridge_archive.retention import held_days


class Finding(NamedTuple):
    """Something that is not as it was."""

    kind: Literal[
        "changed", "missing", "unreadable", "day missing", "list changed", "list missing", "list broken", "unlisted",
        "removed out of turn", "unknown head",
    ]  # fmt: skip
    path: str
    detail: str = ""


class Summary:
    """What was looked at."""

    def __init__(self) -> None:
        self.lists = 0
        self.files = 0
        self.removed = 0
        """Days that retention removed."""
        self.open = 0
        """Files of days that are not sealed yet."""


def verify(root: Path, known: str, summary: Summary) -> Iterator[Finding]:
    """All that is not as it was; `known` is a head that was kept elsewhere, "" for none. Raises OSError."""
    lists = manifests(root)
    gone, there = removed(root), set(days(root))
    summary.removed = len(gone - there)
    digests = {manifest.path.name: digest_of(manifest.path) for manifest in lists}
    if known and known not in digests.values():
        yield Finding("unknown head", known)
    yield from _gaps(lists)
    listed: dict[str, set[str]] = {}
    for manifest in lists:
        yield from _list(root, manifest, digests, gone, there, listed, summary)
    for day in sorted(there):
        new = [path for path in files_of(root, day) if path not in listed.get(day, set())]
        if day in listed:
            yield from (Finding("unlisted", path) for path in new)
        summary.open += len(new)
    yield from _out_of_turn(root, gone - there, there)


def _gaps(lists: list[Manifest]) -> Iterator[Finding]:
    numbers = {manifest.number for manifest in lists}
    for number in range(1, max(numbers, default=0)):
        if number not in numbers:
            yield Finding("list missing", f"{FOLDER}/{number:07}_….sha256")


def _list(
    root: Path, manifest: Manifest, digests: dict[str, str], gone: set[str], there: set[str],
    listed: dict[str, set[str]], summary: Summary,
) -> Iterator[Finding]:  # fmt: skip
    name = f"{FOLDER}/{manifest.path.name}"
    try:
        lines = list(manifest.lines())
    except (OSError, ValueError) as error:
        yield Finding("list broken", name, str(error))
        return
    summary.lists += 1
    day_is_gone = manifest.day not in there
    if day_is_gone and manifest.day not in gone:
        yield Finding("day missing", manifest.day)
    for line in lines:
        if line.path.startswith(f"{FOLDER}/"):
            if digests.get(line.path.removeprefix(f"{FOLDER}/"), line.digest) != line.digest:
                yield Finding("list changed", line.path)
            continue
        listed.setdefault(manifest.day, set()).add(line.path)
        if not day_is_gone:
            summary.files += 1
            yield from _file(root, line.path, line.digest)


def _file(root: Path, path: str, digest: str) -> Iterator[Finding]:
    try:
        if digest_of(root / path) != digest:
            yield Finding("changed", path)
    except FileNotFoundError:
        yield Finding("missing", path)
    except OSError as error:
        yield Finding("unreadable", path, error.strerror or str(error))


def _out_of_turn(root: Path, gone: set[str], there: set[str]) -> Iterator[Finding]:
    """Retention removes the oldest day first: one that is gone while older ones stay was removed by somebody else."""
    oldest = min(there - held_days(root), default="")
    yield from (Finding("removed out of turn", day) for day in sorted(gone) if oldest and day > oldest)
