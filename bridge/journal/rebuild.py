"""Making the index again, as a start does when it is in doubt."""

from __future__ import annotations

from pathlib import Path

from bridge.journal.folder import INDEX
from bridge.journal.index import Index
from bridge.journal.known import Known
from bridge.journal.log import Log
from bridge.journal.recovery import recover
from bridge.journal.view import IndexView


def rebuild(folder: Path) -> int:
    """Read all segments of a locked folder into a new index; returns how many events it knows.

    Raises NewerFormat, and OSError or sqlite3.Error where the disk does not take it.
    """
    journal_log = Log(folder)
    try:
        known = Known(journal_log, Index(folder / INDEX, recover(journal_log).uuid))
        try:
            known.make_again()
        finally:
            known.close()
        return IndexView(folder / INDEX).events()
    finally:
        journal_log.close()
