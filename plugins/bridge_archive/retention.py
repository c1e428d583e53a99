"""What an archive keeps: whole days go, the oldest first, when they are too old or too many; held ones stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from bridge_archive import durable
from bridge_archive.manifest import FOLDER, REMOVED, days

HOLDS: Final = "holds"
"""A folder with a file for each event that must stay: named by its id, it holds the path that its files begin with."""


def held_days(root: Path) -> set[str]:
    """The days that hold an event that must stay; raises OSError."""
    folder = root / HOLDS
    return {path.read_text("utf-8")[:10] for path in folder.iterdir()} if folder.is_dir() else set()


def outlived(
    root: Path, today: date, keep: timedelta | None, size: int | None, size_of_day: Callable[[str], int]
) -> list[str]:
    """The days to be removed, oldest first: never today, nor one that is held. Raises OSError."""
    held, midnight = held_days(root), datetime.combine(today, datetime.min.time())
    there = [day for day in days(root) if day < today.isoformat()]
    may_go = [day for day in there if day not in held]
    gone = [day for day in may_go if keep is not None and _ended(day) + keep < midnight]
    if size is not None:
        sizes = {day: size_of_day(day) for day in [*there, today.isoformat()] if day not in gone}
        total = sum(sizes.values())
        for day in (day for day in may_go if day in sizes):
            if total <= size:
                break
            gone.append(day)
            total -= sizes[day]
    return sorted(gone)


def remove(root: Path, day: str, today: date) -> None:
    """Remove a day for good and note it; raises OSError. A removal that was cut short is gone on with the next time."""
    note = f"{day} removed {today.isoformat()}".encode()
    durable.make_folder(root / FOLDER)
    durable.append_lines(root / FOLDER / REMOVED, [note])
    shutil.rmtree(root / day)
    durable.sync_folder(root)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where it is not there."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ended(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time()) + timedelta(days=1)
