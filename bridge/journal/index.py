"""The index: SQLite beside the log, for questions only; all in it is in the log, and it is built again when in doubt.

One connection, used by the writer thread, does all writes and checkpoints; questions from people use their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from bridge.journal.failpoint import failpoint
from bridge.journal.record import ChangesBlob, Key, PushBlob

_SCHEMA_VERSION: Final = 4
_CHECKPOINT_BYTES: Final = 4_000_000
_TOO_LARGE_BYTES: Final = 64_000_000
# A key's columns stand first, in its order: else SQLite 3.40 takes a sound table for a damaged one.
_TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE push (
    sequence INTEGER PRIMARY KEY, count INTEGER NOT NULL, device TEXT NOT NULL, msg_id TEXT NOT NULL,
    digest BLOB NOT NULL, pictures BLOB NOT NULL
);
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL, channel TEXT NOT NULL,
    occurred INTEGER NOT NULL, received INTEGER NOT NULL
);
CREATE TABLE trouble (
    sequence INTEGER, output INTEGER, at INTEGER, outcome TEXT, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY (sequence, output, at, outcome)
) WITHOUT ROWID;
CREATE TABLE output_note (
    output INTEGER, at INTEGER, state TEXT, reason TEXT NOT NULL, PRIMARY KEY (output, at, state)
) WITHOUT ROWID;
CREATE TABLE turned_away (
    first INTEGER, outcome TEXT, device TEXT, peer TEXT, reason TEXT, sequence INTEGER, last INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (first, outcome, device, peer, reason, sequence)
) WITHOUT ROWID;
"""
_ORDERS: Final = (
    "CREATE INDEX IF NOT EXISTS push_msg_id ON push (msg_id)",
    "CREATE INDEX IF NOT EXISTS event_received ON event (received)",
    "CREATE INDEX IF NOT EXISTS event_device ON event (device, received)",
    "CREATE INDEX IF NOT EXISTS turned_away_sequence ON turned_away (sequence) WHERE sequence > 0",
)
_UNTROUBLED: Final = ("delivered", "none")
DIGEST_BYTES: Final = 8
"""How much of each picture's digest `push.pictures` has: it costs no index, and the record proves the rest."""
_DISK_TROUBLE: Final = frozenset(
    (
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    )
)


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]).decode


class Foreign(Exception):
    """The index belongs to another journal or version, or is not usable: to be built again."""


class Rows:
    """What the index is yet to take in."""

    def __init__(self) -> None:
        self.pushes: list[tuple[int, int, str, str, bytes, bytes]] = []
        self.events: list[tuple[int, str, str, str, str, int, int]] = []
        self.troubles: list[tuple[Any, ...]] = []
        self.notes: list[tuple[Any, ...]] = []
        self.turned_away: list[tuple[Any, ...]] = []
        self._pressed: list[bytes] = []

    def press(self) -> None:
        """Pack what was added of pushes and events, as it is to stay for a while.

        Many small objects that stay lie between those that come and go, and then each push is made elsewhere in memory.
        """
        self._pressed.append(_pack((self.pushes, self.events)))
        self.pushes, self.events = [], []

    def unpress(self) -> None:
        """Have everything in the lists again."""
        for packed in self._pressed:
            pushes, events = _unpack(packed)
            self.pushes += pushes
            self.events += events
        self._pressed.clear()

    def add(self, sequence: int, blob: PushBlob) -> None:
        """A push that begins at this sequence."""
        pictures = b"".join([bytes.fromhex(picture.sha256[: 2 * DIGEST_BYTES]) for picture in blob.pictures])
        self.pushes.append((sequence, blob.count, blob.device, blob.msg_id, blob.digest, pictures))
        for n, event in enumerate(blob.events):
            self.events.append(
                (sequence + n, event.id, event.kind, event.device, event.channel, event.occurred, blob.received)
            )

    def add_history(self, blob: ChangesBlob) -> None:
        """What a CHANGES record says, but for deliveries that went well."""
        self.troubles += [
            (change.sequence, change.output, change.when, change.outcome, change.attempts, change.reason, change.until)
            for change in blob.changes
            if change.outcome not in _UNTROUBLED
        ]
        self.notes += [(note.output, note.when, note.state, note.reason) for note in blob.outputs]
        self.turned_away += [astuple(sum_) for sum_ in blob.turned_away]

    def __len__(self) -> int:
        return sum(map(len, self._lists()))

    def clear(self) -> None:
        """The index has them."""
        for rows in self._lists():
            rows.clear()

    def _lists(self) -> tuple[list[Any], ...]:
        return self._pressed, self.pushes, self.events, self.troubles, self.notes, self.turned_away


class Index:
    """The writer's connection."""

    def __init__(self, path: Path, uuid: bytes) -> None:
        self.path = path
        self.uuid = uuid
        self.through = 1
        """The first sequence that it does not know."""
        self.written = 0
        """Bytes written since the start; a checkpoint counts as all of the write-ahead log, and may be less."""
        self._wal = path.with_name(path.name + "-wal")
        self._wal_bytes = 0
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make it; raises Foreign and sqlite3.Error."""
        fresh = not self.path.exists()
        failpoint("index to be opened")
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            if fresh:
                self._make(connection)
            meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            if not is_of(meta, self.uuid):
                raise Foreign("it belongs to another journal or version")
            if not isinstance(meta.get("through"), int):
                raise Foreign("it does not say how far it goes")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.through = meta["through"]

    def _make(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            values = [("version", _SCHEMA_VERSION), ("uuid", self.uuid), ("through", 1)]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", values)
            failpoint("index made")

    @property
    def is_open(self) -> bool:
        """Whether it can be asked and written."""
        return self._connection is not None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Foreign("it is not open")
        return self._connection

    def add(self, rows: Rows, through: int) -> None:
        """Take in rows, in one transaction; raises sqlite3.Error."""
        connection = self._opened()
        rows.unpress()
        with _transaction(connection):
            connection.executemany("INSERT OR REPLACE INTO push VALUES (?, ?, ?, ?, ?, ?)", rows.pushes)
            connection.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows.events)
            # Of the history any row may come a second time.
            connection.executemany("INSERT OR REPLACE INTO trouble VALUES (?, ?, ?, ?, ?, ?, ?)", rows.troubles)
            connection.executemany("INSERT OR REPLACE INTO output_note VALUES (?, ?, ?, ?)", rows.notes)
            connection.executemany(
                "INSERT OR REPLACE INTO turned_away (first, last, count, outcome, device, peer, reason, sequence) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows.turned_away,
            )
            connection.execute("UPDATE meta SET value = ? WHERE name = 'through'", (through,))
            failpoint("rows to be committed")
        failpoint("rows in the index")
        self.through = through
        self._count_written()

    def _count_written(self) -> None:
        size = self._wal.stat().st_size if self._wal.exists() else 0
        self.written += max(0, size - self._wal_bytes)
        self._wal_bytes = size

    def order(self) -> None:
        """Make the trees that questions go by, where they are missing: raises sqlite3.Error, Foreign, OSError.

        A new index gets them when all of the log is in it. Filling them row by row takes most of the time, for ids that
        come in no order: of a million events 25 of 45 s.
        """
        for statement in _ORDERS:
            self._opened().execute(statement)
            self.checkpoint_when_large()

    def find(self, keys: Iterable[Key]) -> dict[Key, list[int]]:
        """Sequences of pushes with these keys, the newest last; raises sqlite3.Error."""
        found: dict[Key, list[int]] = {key: [] for key in keys}
        msg_ids = list({msg_id for _, msg_id, _ in found})
        marks = ",".join("?" * len(msg_ids))
        columns = "device, msg_id, digest, sequence"
        query = f"SELECT {columns} FROM push WHERE msg_id IN ({marks}) ORDER BY sequence"  # noqa: S608 - only marks
        for device, msg_id, digest, sequence in self._opened().execute(query, msg_ids).fetchall():
            if (device, msg_id, digest) in found:
                found[device, msg_id, digest].append(sequence)
        return found

    def msg_ids(self, after: str, most: int) -> list[str]:
        """Message ids behind one, in order, out of so many rows of the tree that `find` looks in; raises sqlite3.Error.

        An id may come several times; those that follow the last are behind it all the same.
        """
        query = "SELECT msg_id FROM push INDEXED BY push_msg_id WHERE msg_id > ? ORDER BY msg_id LIMIT ?"
        return [msg_id for (msg_id,) in self._opened().execute(query, (after, most)).fetchall()]

    def forget(self, below: int) -> None:
        """Delete what retention has taken from the log; raises sqlite3.Error."""
        failpoint("rows to be forgotten")
        connection = self._opened()
        with _transaction(connection):
            connection.execute("DELETE FROM push WHERE sequence < ?", (below,))
            connection.execute("DELETE FROM event WHERE sequence < ?", (below,))
            connection.execute("DELETE FROM trouble WHERE sequence < ? AND until <= ?", (below, below))
            oldest = "(SELECT received FROM event ORDER BY sequence LIMIT 1)"
            # All but the last of each output, which is how it stood when the oldest event came.
            last = f"(SELECT max(at) FROM output_note last WHERE last.output = output_note.output AND at <= {oldest})"  # noqa: S608 - no text of anyone
            connection.execute(f"DELETE FROM output_note WHERE at < {last}")  # noqa: S608 - as above
            connection.execute(f"DELETE FROM turned_away WHERE last < {oldest}")  # noqa: S608 - as above

    def checkpoint_when_large(self) -> None:
        """Bring the write-ahead log into the database once it is worth it; raises Foreign, sqlite3.Error, OSError."""
        if not self._wal.exists() or (size := self._wal.stat().st_size) < _CHECKPOINT_BYTES:
            return
        failpoint("index to be checkpointed")
        self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.written += size
        self._wal_bytes = self._wal.stat().st_size
        if self._wal_bytes > _TOO_LARGE_BYTES:
            raise Foreign("its write-ahead log grows and grows")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def set_aside(self) -> None:
        """Remove the files of an index that is in doubt; nothing in it is not in the log. Raises OSError."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            failpoint("index file to be removed")
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def is_of(meta: Mapping[str, object], uuid: bytes | None) -> bool:
    """Whether an index that says this of itself is this journal's, and of this version."""
    return (meta.get("version"), meta.get("uuid")) == (_SCHEMA_VERSION, uuid)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_damage(error: Exception) -> bool:
    """Whether the index itself is at fault, and not the disk or a lock, which may pass."""
    return isinstance(error, Foreign) or (isinstance(error, sqlite3.Error) and _code(error) not in _DISK_TROUBLE)


def is_io_error(error: Exception) -> bool:
    """Whether the disk did not do what it should: it may be away, or a sector of it be bad."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_IOERR


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
