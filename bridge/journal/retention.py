"""Retention: which segments are done with, and letting go of them, from the front only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import structlog
from msgspec import Struct

from bridge.errors import why
from bridge.journal.ages import ends
from bridge.journal.backlog import bound
from bridge.journal.cursor import Cursor
from bridge.journal.failpoint import failpoint
from bridge.journal.log import Log
from bridge.journal.quota import ALL
from bridge.journal.replay import Replay
from bridge.journal.tail import sync_folder
from bridge.options import Share, Size

log = structlog.get_logger("boxbridge.journal")

_CLOCK_MS: Final = 3_600_000
"""When the clock says that nothing was written for longer than that, it may have jumped: age deletes nothing then."""


class Keep(Struct, frozen=True, kw_only=True):
    """What is kept, and for how long; times in seconds."""

    settled: float
    """Events that every output has, with their pictures."""
    history: float = 0.0
    """The same without pictures; counts from when they came, too."""
    dead: float
    """Dead letters."""
    quota: Share | Size = ALL
    """What the journal's folder may take."""
    when_full: Literal["refuse", "shed_pictures"] = "refuse"
    """Whether pictures go that some output has not taken, before a push is refused."""
    backlog: Mapping[str, str] = {}
    """What each output may hold back, as the configuration has it."""


def retain(
    journal_log: Log,
    cursors: list[Cursor],
    keep: Keep,
    *,
    now: int,
    written: int,
    closed: bool = False,
    short: int = 0,
    replays: Sequence[Replay] = (),
) -> int:
    """Delete segments that are done with; returns how many.

    Believes only what cursors have on disk: what is given up here is deleted by a later call. `now` and `written`,
    when something was last brought to disk, are in milliseconds. `closed`: nothing can be brought to disk, so that
    this says nothing of the clock; then what every output has goes all the same, for it is what makes room. `short`: so
    many bytes are wanted, for which what every output has goes however young it is, and whatever the clock says.
    """
    clock_is_sure = is_sure(now, written)
    bound(journal_log, cursors, now=now, clock_is_sure=clock_is_sure)
    _expire(cursors, now - int(keep.dead * 1000) if clock_is_sure else 0)
    oldest = min([*(cursor.low for cursor in cursors), *(replay.low for replay in replays)], default=journal_log.next)
    deleted = 0
    segments = journal_log.segments
    for (segment, following), ended in zip(pairwise(segments), ends(segments, now), strict=True):
        is_old = (clock_is_sure or closed) and ended <= now - max(keep.settled, keep.history) * 1000
        if following.base > oldest or not (is_old or short > 0):
            break
        try:
            failpoint("segment to be deleted")
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("a segment can't be deleted", file=str(segment.path), error=why(error))
            break
        failpoint("segment deleted")
        journal_log.drop(segment)
        short -= segment.size
        deleted += 1
    if deleted:
        _make_sure(journal_log.folder)
    return deleted


def is_sure(now: int, written: int) -> bool:
    """Whether the clock can be believed: not where it says that nothing was written for long, or before the last."""
    return abs(now - written) <= _CLOCK_MS


def _make_sure(folder: Path) -> None:
    """Else a power cut brings a segment back whose pushes the index knows no more, and they are stored twice."""
    try:
        sync_folder(folder)
    except OSError as error:
        log.error("deleted segments may come back with a power cut", folder=str(folder), error=why(error))


def _expire(cursors: list[Cursor], before: int) -> None:
    """Let dead letters go that died before a time (ms), or are too many."""
    for cursor in cursors:
        expired = cursor.expire(before)
        if expired:
            log.warning("dead letters expired", output=cursor.name, count=expired)
