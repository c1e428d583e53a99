"""Which pushes are in the log already: the newest in a map, until the index has them too; the rest in the index.

Neither is believed: a push is called a duplicate only when its record has been read back from the log, so that an
index which is stale, damaged or of another journal can never swallow one. Belongs to the writer's thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Final

import structlog

from bridge.errors import why
from bridge.event import PictureLost
from bridge.journal.failpoint import failpoint
from bridge.journal.index import Foreign, Index, Rows, is_damage, is_io_error
from bridge.journal.log import Log, Lost
from bridge.journal.push import Record
from bridge.journal.record import ChangesBlob, Key, PushBlob
from bridge.journal.sieve import Sieve

log = structlog.get_logger("boxbridge.journal")

_LAZY_PUSHES: Final = 1_024
_LAZY_SECONDS: Final = 1.0
_UNINDEXED_LIMIT: Final = 10_000
_REBUILD_ROWS: Final = 4_000
_TELL_SECONDS: Final = 2.0
_SIFTED_AT_ONCE: Final = 1_000
_SIFT_SECONDS: Final = 0.05
_NEVER: Final = float("inf")
_BAD_SECTOR_SECONDS: Final = 30.0
"""An input/output error so long after the first one does not pass: the index is made again, in another place."""


class Known:
    """The pushes in the log, by what makes two of them the same."""

    def __init__(self, journal_log: Log, index: Index) -> None:
        self._log = journal_log
        self._index = index
        self._index_due = _NEVER
        """When the index should be brought up to date (monotonic)."""
        self._sieve = Sieve()
        self._sifted = ""
        """The sieve knows all ids in the index up to this one."""
        self._sift_due = 0.0
        self._unindexed: dict[int, int] = {}
        """Sequences by the keys' hashes."""
        self._rows = Rows()
        self._unreadable_since = _NEVER
        """When the first input/output error came since the index was made (monotonic)."""
        self._told: set[str] = set()
        """What was said of trouble since the index last worked: it is tried each second."""

    @property
    def full(self) -> bool:
        """Whether no more can be remembered until the index can be written."""
        return len(self._unindexed) >= _UNINDEXED_LIMIT

    @property
    def bytes_written(self) -> int:
        """Bytes written to the index since the start."""
        return self._index.written

    @property
    def due(self) -> float:
        """When there is something to be done (monotonic)."""
        return min(self._index_due, self._sift_due)

    def do_what_is_due(self, now: float) -> None:
        """Bring the index up to date, and the sieve some way on, where it is time."""
        if self._index_due <= now:
            self.write_index()
        if self._sift_due <= now < _NEVER:
            self._sift()

    def find(self, keys: Iterable[Key]) -> dict[Key, int]:
        """The sequences under which these very pushes lie in the log, whole; of the others there is nothing."""
        found: dict[Key, int] = {}
        asked: list[Key] = []
        for key in keys:
            if self._sieve.is_new(key[1]):
                continue
            if (sequence := self._unindexed.get(hash(key))) is not None:
                self._prove(key, sequence, found)
            if key not in found:
                asked.append(key)
        for key, sequences in self._ask_index(asked).items():
            for sequence in sequences:
                self._prove(key, sequence, found)
        return found

    def _ask_index(self, keys: list[Key]) -> dict[Key, list[int]]:
        for _ in ("as it is", "made again"):
            try:
                return self._index.find(keys) if keys and self._index.is_open else {}
            except sqlite3.Error as error:
                self._failed(error)
                self.write_index()
        return {}

    def _prove(self, key: Key, sequence: int, found: dict[Key, int]) -> None:
        """Take a push as found if its record says so, and all of it can be read."""
        if not self._log.first <= sequence < self._log.next:
            return
        try:
            record = self._log.read_blocking(sequence)
            if isinstance(record, Record) and record.blob.key == key:
                for entry in record.blob.pictures if record.has_pictures else ():
                    record.pictures.read_blocking(entry.sha256)
                found[key] = record.sequence
        except (OSError, PictureLost) as error:
            log.warning("a record can't be read; its push is taken as new", sequence=sequence, error=why(error))

    def note(self, sequence: int, blobs: Iterable[PushBlob]) -> None:
        """These pushes are on disk now, from this sequence on."""
        for blob in blobs:
            self._unindexed[hash(blob.key)] = sequence
            self._sieve.add(blob.msg_id)
            self._rows.add(sequence, blob)
            sequence += blob.count
        self._rows.press()
        self._index_due = min(self._index_due, time.monotonic() + _LAZY_SECONDS)
        if len(self._unindexed) >= _LAZY_PUSHES and self._index.is_open:
            self._index_due = 0.0

    def note_history(self, blob: ChangesBlob) -> None:
        """This CHANGES record is on disk now."""
        if self._index.is_open:  # else it is read from the log, once it can be opened
            self._rows.add_history(blob)
        if self._rows:
            self._index_due = min(self._index_due, time.monotonic() + _LAZY_SECONDS)

    def write_index(self) -> None:
        """Bring the index up to date, whatever state it is in; where the disk does not let it, it is tried again."""
        self._index_due = _NEVER
        for _ in ("as it is", "made again"):
            try:
                self._bring_up_to_date()
            except (Foreign, sqlite3.Error, OSError) as error:
                if not self._failed(error):
                    return
            else:
                self._rows.clear()
                self._unindexed.clear()
                if self._sieve.is_worn:
                    self._sieve = Sieve()
                    self._sift_again()
                if self._told:
                    log.info("the index is in use again", file=str(self._index.path))
                self._told.clear()
                return

    def make_again(self) -> None:
        """Set the index aside and read the whole log into a new one; raises Foreign, sqlite3.Error, OSError."""
        self._index.set_aside()
        self._sift_again()
        self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        if not self._index.is_open:
            self._index.open()
            self._read_on()
        elif self._rows:
            self._index.add(self._rows, self._log.next)
        self._index.checkpoint_when_large()

    def forget(self, below: int) -> None:
        """These pushes are no longer in the log."""
        try:
            if self._index.is_open:
                self._index.forget(below)
        except sqlite3.Error as error:
            self._failed(error)

    def _sift(self) -> None:
        """Tell the sieve of some more that is in the index; it takes a while, and pushes wait meanwhile."""
        self._sift_due = time.monotonic() + _LAZY_SECONDS
        if not self._index.is_open:
            return
        try:
            msg_ids = self._index.msg_ids(self._sifted, _SIFTED_AT_ONCE)
        except sqlite3.Error as error:
            self._failed(error)
            return
        self._sieve.add(*msg_ids)
        self._sift_due = time.monotonic() + _SIFT_SECONDS
        if len(msg_ids) == _SIFTED_AT_ONCE:
            self._sifted = msg_ids[-1]
        else:
            self._sieve.end()
            self._sift_due = _NEVER

    def _sift_again(self) -> None:
        """There may be more in the index than the sieve was told of."""
        self._sieve.is_whole = False
        self._sifted, self._sift_due = "", 0.0

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def _failed(self, error: Exception) -> bool:
        """Close the index; it is opened again soon. Returns whether it was removed, being itself at fault."""
        self._index.close()
        self._index_due = time.monotonic() + _LAZY_SECONDS
        if not is_damage(error) and not self._stays_unreadable(error):
            self._warn_once("the index can't be used, trying again; pushes are taken without it", error=why(error))
            return False
        self._warn_once("the index is made again from the log", file=str(self._index.path), reason=why(error))
        try:
            self._index.set_aside()
        except OSError as trouble:
            self._warn_once("the old index can't be removed, trying again", error=why(trouble))
            return False
        self._unreadable_since = _NEVER
        self._sift_again()
        return True

    def _stays_unreadable(self, error: Exception) -> bool:
        """Whether this is an input/output error that does not pass, as of a bad sector."""
        if not is_io_error(error):
            return False
        now = time.monotonic()
        self._unreadable_since = min(self._unreadable_since, now)
        return now - self._unreadable_since >= _BAD_SECTOR_SECONDS

    def _warn_once(self, text: str, **details: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning(text, **details)

    def _read_on(self) -> None:
        """Hold the index against the log and take in what it has not; raises sqlite3.Error."""
        if self._index.through > self._log.next:
            lost = self._index.through - self._log.next
            log.error("ALARM: the index knows events that the log has not: a segment was lost", events=lost)
            self._log.next = self._index.through
        rows = Rows()
        told = time.monotonic()
        reached = max(self._index.through, self._log.first)
        for record in self._log.entries(reached):
            if isinstance(record, ChangesBlob):
                rows.add_history(record)
            elif isinstance(record, Lost):
                count = record.until - record.sequence
                log.error("events are damaged or missing", sequence=record.sequence, count=count)
            else:
                rows.add(record.sequence, record.blob)
                self._sieve.add(record.blob.msg_id)
                failpoint("record read into the index")
                reached = record.until
            if len(rows) >= _REBUILD_ROWS:
                self._index.add(rows, reached)
                self._index.checkpoint_when_large()
                rows.clear()
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                log.info("reading events into the index", reached=reached, of=self._log.next)
        self._index.add(rows, self._log.next)
        self._index.order()
