"""The index: SQLite beside the log, for questions only; all in it is in the log, and it is built again when in doubt.

One connection, used by the writer thread, does all writes and checkpoints; questions from people use their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from bridge.journal.record import PushBlob

_SCHEMA_VERSION = 1
_WAL_BYTES = 4_000_000
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE push (sequence INTEGER PRIMARY KEY, device TEXT NOT NULL, msg_id TEXT NOT NULL, digest BLOB NOT NULL);
CREATE INDEX push_key ON push (device, msg_id);
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, msg_id TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,
    channel TEXT NOT NULL, occurred INTEGER NOT NULL, received INTEGER NOT NULL
);
CREATE INDEX event_id ON event (id);
CREATE INDEX event_msg_id ON event (msg_id);
"""


class Foreign(Exception):
    """The index belongs to another journal, or is damaged, or of another version: to be built again."""


class PushRow(Struct, frozen=True):
    """What the index takes in of a push."""

    sequence: int
    device: str
    msg_id: str
    digest: bytes
    events: tuple[EventRow, ...]


class EventRow(Struct, frozen=True):
    """What the index knows of an event."""

    sequence: int
    id: str
    kind: str
    device: str
    channel: str
    occurred: int
    received: int


class Index:
    """The writer's connection."""

    def __init__(self, path: Path, uuid: bytes) -> None:
        self.path = path
        self.uuid = uuid
        self._connection: sqlite3.Connection | None = None
        self.through = 1
        """The first sequence that it does not know."""

    def open(self) -> None:
        """Open or make it; raises Foreign, or sqlite3.Error where the disk does not let it."""
        fresh = not self.path.exists()
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            if fresh:
                with _transaction(connection):
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    values = [("version", _SCHEMA_VERSION), ("uuid", self.uuid), ("through", 1)]
                    connection.executemany("INSERT INTO meta VALUES (?, ?)", values)
            meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        except sqlite3.DatabaseError as error:
            connection.close()
            if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
                raise
            raise Foreign(str(error)) from error
        if (meta.get("version"), meta.get("uuid")) != (_SCHEMA_VERSION, self.uuid):
            connection.close()
            raise Foreign("it belongs to another journal or version")
        self._connection = connection
        self.through = int(meta["through"])

    @property
    def is_open(self) -> bool:
        """Whether it can be asked and written."""
        return self._connection is not None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("the index is not open")
        return self._connection

    def add(self, pushes: Iterable[PushRow], through: int) -> None:
        """Take in pushes, in one transaction; raises sqlite3.Error."""
        connection = self._opened()
        with _transaction(connection):
            for push in pushes:
                connection.execute(
                    "INSERT OR REPLACE INTO push VALUES (?, ?, ?, ?)",
                    (push.sequence, push.device, push.msg_id, push.digest),
                )
                connection.executemany(
                    "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (e.sequence, e.id, push.msg_id, e.kind, e.device, e.channel, e.occurred, e.received)
                        for e in push.events
                    ],
                )
            connection.execute("UPDATE meta SET value = ? WHERE name = 'through'", (through,))
        self.through = through

    def find(self, device: str, msg_id: str, digest: bytes) -> list[int]:
        """Sequences of pushes with this key, newest first."""
        rows = self._opened().execute(
            "SELECT sequence FROM push WHERE device = ? AND msg_id = ? AND digest = ? ORDER BY sequence DESC",
            (device, msg_id, digest),
        )
        return [row[0] for row in rows.fetchall()]

    def forget(self, below: int) -> None:
        """Delete what retention has taken from the log; raises sqlite3.Error."""
        connection = self._opened()
        with _transaction(connection):
            connection.execute("DELETE FROM push WHERE sequence < ?", (below,))
            connection.execute("DELETE FROM event WHERE sequence < ?", (below,))

    def checkpoint_when_large(self) -> None:
        """Bring the write-ahead log into the database once it is worth it; raises sqlite3.Error."""
        if self.path.with_name(self.path.name + "-wal").stat().st_size > _WAL_BYTES:
            self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def set_aside(self) -> None:
        """Remove the files of an index that is in doubt; nothing in it is not in the log."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def find_events(path: Path, what: str, limit: int = 2) -> list[EventRow]:
    """Events by id, its beginning (6 characters at least), or msg_id; for people, on a connection of its own."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        columns = "SELECT sequence, id, kind, device, channel, occurred, received FROM event"
        rows = connection.execute(f"{columns} WHERE msg_id = ? ORDER BY sequence LIMIT ?", (what, limit)).fetchall()
        if not rows and len(what) >= 6:
            span = (what.upper(), what.upper() + "\x7f", limit)
            rows = connection.execute(f"{columns} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", span).fetchall()
    return [EventRow(*row) for row in rows]


def push_row(sequence: int, blob: PushBlob) -> PushRow:
    """What the index takes in of a push that begins at this sequence."""
    events = tuple(
        EventRow(sequence + n, e.id, e.kind, e.device, e.channel, e.occurred, blob.received)
        for n, e in enumerate(blob.events)
    )
    return PushRow(sequence, blob.device, blob.msg_id, blob.digest, events)
