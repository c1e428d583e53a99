"""Room on the disk: how much more the journal may take, by its quota and by what the file system has left."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from bridge.errors import why
from bridge.figures import as_bytes
from bridge.journal.cursor import Cursor
from bridge.journal.log import Log
from bridge.journal.spare import Spare
from bridge.options import Share, Size

log = structlog.get_logger("boxbridge.journal")

ALL: Final = Share("100%")
_RESERVE_BYTES: Final = 256_000_000
_RESERVE_SHARE: Final = 0.02
"""What is left free for others on the disk, and for the index: this share of it, up to so many bytes."""
_MARGIN_SHARE: Final = 0.05
_SEGMENT_SHARE: Final = 0.1
_DAY_MS: Final = 86_400_000
_LEAST_SECONDS: Final = 600.0
"""From less than that no rate is told: a start writes a little, and pushes come in bursts."""


class Outlook(Struct, frozen=True, kw_only=True):
    """How the journal's room stands, for people."""

    taken: int
    limit: int
    """Bytes that the folder has, and may have."""
    held: float
    """Which part of that is held by what some output has not; from 0 to 1."""
    hours_left: float | None
    """How long there is room at the last day's rate if no output takes anything more; None where nothing came."""


class Room:
    """What the journal has taken of its disk, and may still take. Belongs to the writer's thread; figures are free."""

    def __init__(self, journal_log: Log, spare: Spare, segment_bytes: int) -> None:
        self.quota: Share | Size = ALL
        """What the folder may take: of the file system, or so many bytes."""
        self.taken = 0
        """Bytes in the folder."""
        self.limit = 1
        """Bytes that the folder may have now: the quota, or less where others have filled the disk."""
        self.full_because: str | None = None
        """Why no push is taken for want of room; None while there is some."""
        self.segment_bytes = segment_bytes
        """How large a segment may become: a part of a small limit, since what lies in the newest can't be deleted."""
        self._log = journal_log
        self._spare = spare
        self._largest_segment = segment_bytes
        self._wanted = 0

    @property
    def left(self) -> int:
        """Bytes that may still be taken, without those of the next spare; negative where it is over its limit."""
        return self.limit - self.taken - self._spare.size

    @property
    def _margin(self) -> int:
        """So much should be left: pushes are taken again from there on."""
        return min(self._largest_segment, int(self.limit * _MARGIN_SHARE))

    @property
    def short(self) -> int:
        """Bytes that should be freed, be it of what would be kept longer."""
        return max(0, 2 * self._margin - self.left, self._wanted - self.left)

    def outlook(self, cursors: list[Cursor], now: int) -> Outlook:
        """How it stands; `now` in ms. What every output has is room as well: it yields."""
        oldest = min((cursor.low for cursor in cursors), default=self._log.next)
        before = (one for one in self._log.segments if one.end is not None and one.end <= oldest)
        settled = sum(segment.size for segment in before)
        rate = self._bytes_per_second(now)
        return Outlook(
            taken=self.taken,
            limit=self.limit,
            held=min(1.0, max(0, self.taken - settled) / self.limit),
            hours_left=max(0, self.left + settled) / rate / 3600 if rate else None,
        )

    def _bytes_per_second(self, now: int) -> float:
        """At what rate the log grew in the last day, or since there is something of it."""
        lately = [segment for segment in self._log.segments if segment.header.made > now - _DAY_MS]
        if not lately:
            return 0.0
        return sum(segment.size for segment in lately) / max(_LEAST_SECONDS, (now - lately[0].header.made) / 1000)

    def measure(self) -> None:
        """Look at the disk again, and see whether pushes can be taken."""
        try:
            self.taken = bytes_in(self._log.folder)
            disk = os.statvfs(self._log.folder)
        except OSError as error:
            log.error("the room on the disk can't be measured", folder=str(self._log.folder), error=why(error))
            return
        self.limit = max(1, limit(disk, self.quota, self.taken))
        self.segment_bytes = min(self._largest_segment, max(self._spare.size, int(self.limit * _SEGMENT_SHARE)))
        self._spare.make()
        if self.full_because and self._spare.is_there and self.left >= max(self._margin, self._wanted):
            log.info("there is room again: the journal takes pushes", left=self.left)
            self.full_because = None
            self._wanted = 0

    def has(self, size: int) -> bool:
        """Whether so many bytes may be taken, without looking again."""
        return self.full_because is None and self._spare.is_there and size <= self.left

    def take(self, size: int) -> None:
        """So many bytes were written."""
        self.taken += size

    def refuse(self, size: int, held: str) -> None:
        """Take no push until there is room again, for as much as this one; `held`: who holds what is there."""
        self._wanted = size
        self.full_because = f"the journal is full, {as_bytes(self.taken)} of {as_bytes(self.limit)}{held}"
        log.error("the journal is full; devices are told to try again", taken=self.taken, limit=self.limit,
                  held=held.strip(", ") or None)  # fmt: skip


def limit(disk: os.statvfs_result, quota: Share | Size, taken: int) -> int:
    """Bytes that a folder may have, of which it has so many: the quota, or less where others have filled the disk."""
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    wanted = int(total * quota) if isinstance(quota, Share) else int(quota)
    return min(wanted, taken + free - int(min(_RESERVE_BYTES, total * _RESERVE_SHARE)))


def bytes_in(folder: Path) -> int:
    """Bytes that the files of a folder take of the disk; raises OSError."""
    taken = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # SQLite's files come and go
                taken += entry.stat().st_blocks * 512
    return taken
