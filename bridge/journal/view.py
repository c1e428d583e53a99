"""Looking into the index from outside, without a write, and never for long: a daemon may be writing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bridge.errors import why
from bridge.journal.index import is_of
from bridge.journal.record import Key

_NAMED: Final = 5
"""Events that one finding names by their id, at most."""


class Facts(NamedTuple):
    """What events are chosen by."""

    device: str
    kind: str
    received: int


class IndexView:
    """An index that may be missing, damaged, or another process's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def _in_use(self) -> bool:
        """Whether a daemon has it open, or was killed while it had."""
        return self.path.with_name(self.path.name + "-wal").exists()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # Without a write-ahead log nothing but the file itself counts; with one, its map is made in memory.
        how = "readonly_shm=1" if self._in_use else "immutable=1"
        uri = f"{self.path.absolute().as_uri()}?mode=ro&{how}"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            yield connection

    def through(self) -> int | None:
        """The first sequence that it does not know; None where it can't say."""
        try:
            with self._connection() as connection:
                row = connection.execute("SELECT value FROM meta WHERE name = 'through'").fetchone()
        except sqlite3.Error:
            return None
        return row[0] if row and isinstance(row[0], int) else None

    def keys(self, first: int, until: int) -> dict[int, Key]:
        """What it says of the pushes in a range; nothing where it can't be asked."""
        columns = "SELECT sequence, device, msg_id, digest FROM push WHERE sequence >= ? AND sequence < ?"
        try:
            with self._connection() as connection:
                return {row[0]: row[1:] for row in connection.execute(columns, (first, until)).fetchall()}
        except sqlite3.Error:
            return {}

    def event_ids(self, sequences: range) -> tuple[str, ...]:
        """Ids of the first few events in a range, as far as it knows them."""
        query = "SELECT id FROM event WHERE sequence >= ? AND sequence < ? ORDER BY sequence LIMIT ?"
        try:
            with self._connection() as connection:
                rows = connection.execute(query, (sequences.start, sequences.stop, _NAMED)).fetchall()
        except sqlite3.Error:
            return ()
        return tuple(row[0] for row in rows)

    def facts(self, sequences: range) -> list[Facts]:
        """What it knows of the events in a range; nothing where it can't be asked."""
        query = "SELECT device, kind, received FROM event WHERE sequence >= ? AND sequence < ?"
        try:
            with self._connection() as connection:
                rows = connection.execute(query, (sequences.start, sequences.stop)).fetchall()
        except sqlite3.Error:
            return []
        return [Facts(*row) for row in rows]

    def named(self, sequences: range) -> str:
        """The events of a range as the beginning of a sentence, with their ids as far as it knows them."""
        ids = self.event_ids(sequences)
        more = ", ..." if len(ids) == _NAMED < len(sequences) else ""
        in_brackets = f" ({', '.join(ids)}{more})" if ids else ""
        first, last = sequences.start, sequences.stop - 1
        return f"event {first}{in_brackets} is" if first == last else f"events {first} to {last}{in_brackets} are"

    def events(self) -> int:
        """How many events it knows; raises sqlite3.Error."""
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])

    def trouble(self, uuid: bytes | None, *, thorough: bool) -> str | None:
        """Why the next start would make it again; None where it is well."""
        try:
            with self._connection() as connection:
                meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
                if not is_of(meta, uuid):
                    return "it belongs to another journal or version"
                if thorough and not self._in_use:  # it takes long, and a writer would have to wait
                    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                    return None if found == "ok" else f"it is damaged ({found})"
        except (sqlite3.Error, ValueError, TypeError) as error:
            return f"it can't be read ({why(error)})"
        return None
