"""Retention: which segments are done with, and letting go of them, from the front only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from bridge.journal.cursor import Cursor
from bridge.journal.failpoint import failpoint
from bridge.journal.log import Log
from bridge.journal.replay import Replay
from bridge.journal.tail import sync_folder

log = structlog.get_logger("boxbridge.journal")

_CLOCK_MS: Final = 3_600_000
"""When the clock says that nothing was written for longer than that, it may have jumped: age deletes nothing then."""


class Keep(Struct, frozen=True, kw_only=True):
    """For how long, in seconds."""

    settled: float
    """Events that every output has."""
    dead: float
    """Dead letters, and what waits for an output that is no longer configured."""


def retain(
    journal_log: Log,
    cursors: list[Cursor],
    parked: list[Cursor],
    keep: Keep,
    *,
    now: int,
    written: int,
    closed: bool = False,
    replays: Sequence[Replay] = (),
) -> int:
    """Delete segments that are done with; returns how many.

    Believes only what cursors have on disk: what is given up here is deleted by a later call. `now` and `written`,
    when something was last brought to disk, are in milliseconds. `closed`: nothing can be brought to disk, so that
    this says nothing of the clock; then what every output has goes all the same, for it is what makes room.
    """
    clock_is_sure = abs(now - written) <= _CLOCK_MS
    if not clock_is_sure and not closed:
        return 0
    if clock_is_sure:
        give_up(journal_log, cursors, parked, before=now - int(keep.dead * 1000))
    oldest = min([*(cursor.low for cursor in cursors), *(replay.low for replay in replays)], default=journal_log.next)
    deleted = 0
    # A segment's events are at least as old as the segment after it.
    for segment, following in pairwise(journal_log.segments):
        if following.header.made > now - keep.settled * 1000 or following.base > oldest:
            break
        try:
            failpoint("segment to be deleted")
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("a segment can't be deleted", file=str(segment.path), error=str(error))
            break
        failpoint("segment deleted")
        journal_log.drop(segment)
        deleted += 1
    if deleted:
        _make_sure(journal_log.folder)
    return deleted


def _make_sure(folder: Path) -> None:
    """Else a power cut brings a segment back whose pushes the index knows no more, and they are stored twice."""
    try:
        sync_folder(folder)
    except OSError as error:
        log.error("deleted segments may come back with a power cut", folder=str(folder), error=str(error))


def give_up(journal_log: Log, cursors: list[Cursor], parked: list[Cursor], *, before: int) -> None:
    """Let dead letters go that died before a time, and what removed outputs did not take that is older than it."""
    for cursor in cursors:
        expired = cursor.expire(before)
        if expired:
            log.warning("dead letters expired", output=cursor.name, count=expired)
    old = max((following.base for following in journal_log.segments[1:] if following.header.made <= before), default=0)
    for cursor in parked:
        skipped = cursor.skip_to(old)
        if skipped:
            log.warning("events of a removed output were given up", output=cursor.name, count=skipped)
