"""The backlog: what an output that is dead, paused or removed may hold back, and who holds the log now."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import structlog
from msgspec import Struct

from bridge.journal.ages import ends
from bridge.journal.cursor import Cursor
from bridge.journal.log import Log
from bridge.options import Duration, Size

log = structlog.get_logger("boxbridge.journal")

Backlog = Duration | Size | Literal["all"]
DEFAULT: Final = Duration("30d")


def backlog_of(text: str) -> Backlog:
    """As the configuration and the log have it; what can't be read, as of a newer version, is the default."""
    if text == "all":
        return "all"
    for kind in (Duration, Size):
        try:
            return kind(text)
        except ValueError:
            continue
    return DEFAULT


def bound(journal_log: Log, cursors: list[Cursor], *, now: int, clock_is_sure: bool) -> None:
    """Move on what holds back more than it may; `now` in ms. By age only where the clock is sure."""
    for cursor in cursors:
        backlog = backlog_of(cursor.backlog)
        if isinstance(backlog, Size):
            first = _first_of_the_last(journal_log, backlog)
        elif isinstance(backlog, Duration) and clock_is_sure:
            first = first_since(journal_log, int(backlog * 1000), now)
        else:
            continue
        before = cursor.skipped[-1:]
        skipped = cursor.skip_to(first, f"more than its backlog of {backlog} waited")
        same_outage = before and before[0].sequence == cursor.skipped[-1].sequence
        if skipped and not same_outage:
            log.warning("an output's backlog is more than it may hold back; its oldest events are skipped",
                        output=cursor.name, backlog=str(backlog), count=skipped, until=first)  # fmt: skip


def first_since(journal_log: Log, age: int, now: int) -> int:
    """A sequence below which all is older than that (ms)."""
    segments = journal_log.segments
    ended = zip(segments[1:], ends(segments, now), strict=True)
    return max((later.base for later, end in ended if end <= now - age), default=0)


def _first_of_the_last(journal_log: Log, size: int) -> int:
    """The first sequence of those segments at the end that have so many bytes together at most."""
    for segment in reversed(journal_log.segments):
        size -= segment.size
        if size < 0:
            return segment.end or segment.base
    return 0


class Holder(Struct, frozen=True, kw_only=True):
    """The output that holds the oldest part of the log."""

    output: str
    events: int
    """What waits for it, and its dead letters."""
    removed: int
    """Since when it is no longer configured (ms); 0 where it is."""

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.removed / 1000).astimezone() if self.removed else None
        removed = f" (removed {when:%Y-%m-%d})" if when else ""
        return f"{self.output}{removed}, " + ("1 event" if self.events == 1 else f"{self.events:,} events")


def holder(journal_log: Log, cursors: list[Cursor]) -> Holder | None:
    """Who holds the log; None where nothing but the newest segment is held."""
    oldest = min(cursors, key=lambda cursor: cursor.low, default=None)
    if oldest is None or oldest.low >= journal_log.segments[-1].base:
        return None
    events = oldest.waiting(journal_log.next) + oldest.dead
    return Holder(output=oldest.name, events=events, removed=oldest.removed)
