"""Making the index again, as a start does when it is in doubt; what a sound one knew of damaged events stays in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from bridge.journal.folder import INDEX
from bridge.journal.index import Index
from bridge.journal.known import Known
from bridge.journal.log import Log
from bridge.journal.recovery import recover
from bridge.journal.view import IndexView

_OLD: Final = INDEX + ".old"


def rebuild(folder: Path) -> int:
    """Read all segments of a locked folder into a new index; returns how many events it knows.

    Raises NewerFormat, and OSError or sqlite3.Error where the disk does not take it.
    """
    index, old = folder / INDEX, folder / _OLD
    journal_log = Log(folder)
    try:
        uuid = recover(journal_log).uuid
        _set_beside(index, old, uuid)
        # A segment that was lost is missed by the index alone: the next start is to say so, and to number on above it.
        journal_log.next = max(journal_log.next, IndexView(old).through() or 0)
        known = Known(journal_log, Index(index, uuid))
        try:
            known.make_again()
        finally:
            known.close()
        if old.exists():
            _bring_back(index, old, range(journal_log.first, journal_log.next))
            old.unlink()
        return IndexView(index).events()
    finally:
        journal_log.close()


def _set_beside(index: Path, old: Path, uuid: bytes) -> None:
    """Give the old index another name, if it can be believed."""
    if old.exists():  # a rebuild did not come to its end: what it had made knows less
        Index(index, uuid).set_aside()
        old.rename(index)
    if not index.exists():
        return
    try:
        with closing(sqlite3.connect(index)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # so that one file has all of it
    except sqlite3.Error:
        return
    if IndexView(index).trouble(uuid, thorough=True) is None:
        index.rename(old)


def _bring_back(index: Path, old: Path, live: range) -> None:
    """Take over what only the old index knows: of events whose records can no longer be read."""
    with closing(sqlite3.connect(index)) as connection, connection:
        connection.execute("ATTACH ? AS old", (str(old),))
        for table in ("push", "event"):
            rows = f"SELECT * FROM old.{table} WHERE sequence >= ? AND sequence < ?"  # noqa: S608 - names of tables
            connection.execute(f"INSERT OR IGNORE INTO {table} {rows}", (live.start, live.stop))
