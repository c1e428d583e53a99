"""Retention: which segments are done with, and letting go of them, from the front only."""

from __future__ import annotations

import sqlite3

import structlog
from msgspec import Struct

from bridge.journal.cursor import Cursor, now_ms
from bridge.journal.index import Index
from bridge.journal.log import Log

log = structlog.get_logger("boxbridge.journal")


class Keep(Struct, frozen=True, kw_only=True):
    """For how long, in seconds."""

    settled: float
    """Events that every output has."""
    dead: float
    """Dead letters, and what waits for an output that is no longer configured."""


def retain(journal_log: Log, index: Index, cursors: list[Cursor], parked: list[Cursor], keep: Keep) -> int:
    """Delete segments that are done with; returns how many. Believes only what cursors have on disk."""
    now = now_ms()
    for cursor in cursors:
        expired = cursor.expire(now - int(keep.dead * 1000))
        if expired:
            log.warning("dead letters expired", output=cursor.name, count=expired)
    deleted = 0
    while len(journal_log.segments) > 1:
        segment, following = journal_log.segments[:2]
        age = now - following.header.made
        if age < keep.settled * 1000:
            break
        holders = [cursor for cursor in cursors if cursor.low < following.base]
        if any(cursor not in parked for cursor in holders) or (holders and age < keep.dead * 1000):
            break
        for cursor in holders:
            skipped = cursor.skip_to(following.base)
            log.warning("events of a removed output were given up", output=cursor.name, count=skipped)
        journal_log.drop_first()
        segment.path.unlink()
        deleted += 1
    if deleted and index.is_open:
        try:
            index.forget(journal_log.first)
        except sqlite3.Error as error:
            log.warning("the index still names deleted events", error=str(error))
    return deleted
