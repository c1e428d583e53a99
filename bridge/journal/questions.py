"""Questions to the index, each a function of a connection that only reads; all raise sqlite3.Error."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from bridge.event import times_of_ids
from bridge.journal.index import DIGEST_BYTES
from bridge.journal.record import Change, OutputNote, TurnedAway

_Answer = TypeVar("_Answer")
_COLUMNS: Final = "e.sequence, e.id, e.kind, e.device, e.channel, e.occurred, e.received"
_SELECT: Final = f"SELECT {_COLUMNS} FROM"
_OF_PUSH: Final = f"{_SELECT} push p JOIN event e ON e.sequence >= p.sequence AND e.sequence < p.sequence + p.count"
_BY_MSG_ID: Final = f"{_OF_PUSH} WHERE p.msg_id = ? ORDER BY e.sequence LIMIT ?"
_HAS_PICTURE: Final = "p.sequence IN (SELECT sequence FROM push WHERE instr(pictures, ?))"
_BY_PICTURE: Final = f"{_OF_PUSH} WHERE {_HAS_PICTURE} ORDER BY e.sequence LIMIT ?"
# An id begins with its event's receipt, so that it needs no order of its own: one would cost a tenth of each write.
_BY_ID: Final = f"{_SELECT} event e WHERE e.id >= ? AND e.id < ? ORDER BY e.id LIMIT ?"
_BY_ID_AND_TIME: Final = _BY_ID.replace("WHERE", "WHERE e.received BETWEEN ? AND ? AND")
# From one device to the next along their order: it costs a look each, however many events there are.
_DEVICES: Final = """
    WITH RECURSIVE known (device) AS (
        SELECT min(device) FROM event
        UNION ALL SELECT (SELECT min(device) FROM event WHERE device > known.device) FROM known
        WHERE known.device IS NOT NULL
    ) SELECT device FROM known WHERE device IS NOT NULL LIMIT ?
"""
_NEXT: Final = f"{_SELECT} event e WHERE e.device = ? AND e.received >= ? ORDER BY e.received, e.sequence LIMIT 1"
_CHANNEL: Final = f"{_SELECT} event e INDEXED BY event_device WHERE e.device = ? AND e.channel = ? AND"
_EARLIER: Final = f"{_CHANNEL} (e.received, e.sequence) < (?, ?) ORDER BY e.received DESC, e.sequence DESC LIMIT 1"
_LATER: Final = f"{_CHANNEL} (e.received, e.sequence) > (?, ?) ORDER BY e.received, e.sequence LIMIT 1"
_ID_IN_NAME: Final = re.compile(r"(?:^|[_/])([0-9A-HJKMNP-TV-Z]{26})(?=[_.]|$)")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
FOR_EVER: Final = 1 << 62
"""Later than any time, higher than any sequence."""


class EventRow(Struct, frozen=True):
    """What the index knows of an event."""

    sequence: int
    id: str
    kind: str
    device: str
    channel: str
    occurred: int
    received: int


class Filter(Struct, frozen=True, kw_only=True):
    """Which events are asked for. Times in milliseconds, of receipt."""

    since: int = 0
    before: int = FOR_EVER
    device: str = ""
    kind: str = ""


Place = tuple[int, int]
"""Where a list goes on: receipt and sequence of the last event that was looked at."""
BEGINNING: Final[Place] = (FOR_EVER, FOR_EVER)


def ask(path: Path, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    """Put a question to an index, on a connection of its own."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return question(connection)


def find_events(connection: sqlite3.Connection, what: str, limit: int = 2) -> list[EventRow]:
    """Events by id, its beginning (6 characters at least), msg_id, or the name or SHA-256 of a picture.

    Those of a SHA-256 are only likely to have that picture.
    """
    rows = connection.execute(_BY_MSG_ID, (what, limit)).fetchall()
    name = _ID_IN_NAME.search(what)
    if name:
        what = name[1]
    if not rows and _SHA256.fullmatch(what.lower()):
        part = bytes.fromhex(what[: 2 * DIGEST_BYTES])
        rows = connection.execute(_BY_PICTURE, (part, limit)).fetchall()
    elif not rows and len(what) >= 6:
        rows = _by_id(connection, what.upper(), limit)
    return [EventRow(*row) for row in rows]


def _by_id(connection: sqlite3.Connection, beginning: str, limit: int) -> list[Any]:
    values = (beginning, beginning + "\x7f", limit)
    rows = connection.execute(_BY_ID_AND_TIME, (*times_of_ids(beginning), *values)).fetchall()
    # One that a plugin made in another way than `new_id` is found all the same, by a look at every event.
    return rows or connection.execute(_BY_ID, values).fetchall()


def newest_events(connection: sqlite3.Connection, asked: Filter, after: Place, limit: int) -> list[EventRow]:
    """Events that pass the filter, the newest first; `after`: where the list before ended."""
    index = "event_device" if asked.device else "event_received"
    return _events(connection, f"event e INDEXED BY {index}", "", (), asked, after, limit)


def devices(connection: sqlite3.Connection, limit: int) -> list[str]:
    """The first devices by name that there are events of."""
    return [row[0] for row in connection.execute(_DEVICES, (limit,)).fetchall()]


def next_event(connection: sqlite3.Connection, device: str, since: int) -> EventRow | None:
    """The first event of a device that was received at or after a time (ms)."""
    row = connection.execute(_NEXT, (device, since)).fetchone()
    return EventRow(*row) if row else None


def neighbours(connection: sqlite3.Connection, row: EventRow) -> tuple[EventRow | None, EventRow | None]:
    """The event of the same channel before this one, and the one after it."""
    values = (row.device, row.channel, row.received, row.sequence)
    earlier, later = (connection.execute(query, values).fetchone() for query in (_EARLIER, _LATER))
    return EventRow(*earlier) if earlier else None, EventRow(*later) if later else None


def these_events(
    connection: sqlite3.Connection, sequences: Iterable[int], asked: Filter, after: Place, limit: int
) -> list[EventRow]:
    """Events of these sequences that pass the filter, the newest first; `after` as above."""
    only = "e.sequence IN (SELECT value FROM json_each(?)) AND"
    named = (msgspec.json.encode(list(sequences)).decode(),)
    return _events(connection, "event e", only, named, asked, after, limit)


def _events(
    connection: sqlite3.Connection,
    table: str,
    only: str,
    values: tuple[str, ...],
    asked: Filter,
    after: Place,
    limit: int,
) -> list[EventRow]:
    conditions, passing = _passing(asked, min(after, (asked.before, 0)))
    where = f"{only} {conditions}"
    query = f"{_SELECT} {table} WHERE {where} ORDER BY e.received DESC, e.sequence DESC LIMIT ?"
    return [EventRow(*row) for row in connection.execute(query, (*values, *passing, limit)).fetchall()]


def _passing(asked: Filter, below: Place) -> tuple[str, list[str | int]]:
    """The conditions of a filter, and their values."""
    conditions = ["(e.received, e.sequence) < (?, ?) AND e.received >= ?"]
    values: list[str | int] = [*below, asked.since]
    for column, wanted in (("device", asked.device), ("kind", asked.kind)):
        if wanted:
            conditions.append(f"e.{column} = ?")
            values.append(wanted)
    return " AND ".join(conditions), values


class Count(Struct, frozen=True):
    """How many events there are, and between which sequences."""

    events: int
    first: int
    last: int


def count_events(connection: sqlite3.Connection, asked: Filter, below: int) -> Count:
    """How many events pass the filter, below a sequence."""
    conditions, values = _passing(asked, (asked.before, 0))
    columns = "count(*), coalesce(min(e.sequence), 0), coalesce(max(e.sequence), 0)"
    query = f"SELECT {columns} FROM event e WHERE {conditions} AND e.sequence < ?"  # noqa: S608 - no text of anyone
    return Count(*connection.execute(query, (*values, below)).fetchone())


def troubles(connection: sqlite3.Connection, first: int, last: int) -> list[Change]:
    """What happened to deliveries of these sequences but success, in order; ranges that were skipped too."""
    query = """
        SELECT output, sequence, outcome, at, attempts, reason, until FROM trouble
        WHERE sequence BETWEEN ? AND ? OR (sequence < ? AND until > ?) ORDER BY at
    """
    return [Change(*row) for row in connection.execute(query, (first, last, first, first)).fetchall()]


def spans_of(connection: sqlite3.Connection, outcomes: Iterable[str], output: int) -> list[range]:
    """The sequences that ended in one of these ways for an output, if nothing came after it."""
    ends = [*outcomes]
    query = f"SELECT sequence, max(until, sequence + 1) FROM trouble WHERE outcome IN ({_marks(ends)}) AND output = ?"  # noqa: S608 - only marks
    return [range(*row) for row in connection.execute(query, (*ends, output)).fetchall()]


def output_notes(connection: sqlite3.Connection, output: int, since: int, until: int) -> list[OutputNote]:
    """How an output stood at a time (ms), and how that changed until another."""
    query = """
        SELECT output, at, state, reason FROM output_note WHERE output = ?1 AND at <= ?3 AND at >=
        coalesce((SELECT max(at) FROM output_note WHERE output = ?1 AND at <= ?2), 0) ORDER BY at
    """
    return [OutputNote(*row) for row in connection.execute(query, (output, since, until)).fetchall()]


def repetitions(connection: sqlite3.Connection, sequence: int) -> list[TurnedAway]:
    """When the push at this sequence came again."""
    return _turned_away(connection, "sequence = ? AND sequence > 0", (sequence,))


def turned_away(connection: sqlite3.Connection, since: int, until: int) -> list[TurnedAway]:
    """What was not stored as new between two times (ms)."""
    return _turned_away(connection, "first BETWEEN ? - 60000 AND ? AND last >= ?", (since, until, since))


def _turned_away(connection: sqlite3.Connection, where: str, values: tuple[int, ...]) -> list[TurnedAway]:
    columns = "first, last, count, outcome, device, peer, reason, sequence"
    query = f"SELECT {columns} FROM turned_away WHERE {where} ORDER BY first"  # noqa: S608 - no text of anyone
    return [TurnedAway(*row) for row in connection.execute(query, values).fetchall()]


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)
