"""What stands in a segment: the bytes of a record and their checksums. No files here.

A record is a prefix, a packed blob (together the fixed part) and, for a push, the bytes of its pictures, each proven by
the digest that the blob has of it. The prefix's checksum is seeded with the journal's UUID and the segment's number,
and the blob's with the prefix's, so that a picture which contains a record, or a block of another file, is never taken
for a record. docs/journal.md describes the format for readers in other languages.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, datetime
from enum import IntEnum
from struct import Struct as Packing
from typing import Final

import msgspec
from msgspec import Struct

MAGIC: Final = b"BXr1"
PREFIX: Final = Packing("<4sB3xIIIQII")
"""magic, kind, sequences taken, length of the blob, length of the pictures, sequence, and the checksums of all this
and of the blob."""
PREFIX_SIZE: Final = PREFIX.size
_UNSEALED: Final = Packing("<4sB3xIIIQ")
"""The prefix without its checksums."""

Key = tuple[str, str, bytes]
"""What makes two pushes the same: device, msg_id and digest."""


class Kind(IntEnum):
    """What a record is."""

    PUSH = 1
    """One push of a device, with its events and pictures."""
    STATE = 2
    """Where all outputs stand, whole."""
    CHANGES = 3
    """What became of deliveries since the record before."""


class PictureEntry(Struct, frozen=True, array_like=True):
    """One picture of a push, as the fixed part lists it."""

    size: int
    sha256: str
    """Of its bytes, lower-case hex: its name in the event's document, and the proof that they are whole."""


class EventEntry(Struct, frozen=True, array_like=True):
    """One event of a push: what the index needs of it, and its document."""

    id: str
    kind: str
    device: str
    channel: str
    occurred: int
    """Milliseconds since 1970, as all times in the journal."""
    document: bytes


class PushBlob(Struct, frozen=True, array_like=True):
    """The fixed part of a PUSH record."""

    received: int
    device: str
    """Who sent it; with msg_id and digest what makes two pushes the same."""
    msg_id: str
    digest: bytes
    message: str
    peer: str
    method: str
    path: str
    query: str
    content_type: str
    events: tuple[EventEntry, ...]
    body: bytes
    """The request's body with the base64 of its pictures cut out."""
    cuts: tuple[tuple[int, int], ...]
    """(place in the cut body, number of the picture) for each cut, in order."""
    pictures: tuple[PictureEntry, ...]

    @property
    def key(self) -> Key:
        """What makes two pushes the same."""
        return self.device, self.msg_id, self.digest

    @property
    def count(self) -> int:
        """How many sequences it takes: one for each event, one where it holds none."""
        return len(self.events) or 1


class OpenEntry(Struct, frozen=True, array_like=True):
    """A sequence that an output took and has not settled."""

    sequence: int
    attempts: int = 0
    failing_since: int = 0
    """When it first failed as an event of its own, or 0."""
    dead_since: int = 0
    """When it became a dead letter, or 0."""
    reason: str = ""
    replayed: bool = False
    """Whether it was settled before, and is delivered again because a person asked for it."""
    retried: bool = False
    """Whether it was a dead letter, and is tried again because a person asked for it."""


class SkippedEntry(Struct, frozen=True, array_like=True):
    """A range in which an output was passed by for good."""

    sequence: int
    until: int
    count: int
    """How many events; fewer than the range has, where others in it were delivered."""
    when: int
    """When it last grew."""
    reason: str


class OutputEntry(Struct, frozen=True, array_like=True):
    """Where one output stands."""

    number: int
    """Stays the same when the output is renamed."""
    name: str
    began: int
    """The first sequence that is the output's."""
    next: int
    """The first sequence that it never took."""
    open: tuple[OpenEntry, ...] = ()
    paused: int = 0
    """When a person paused it, or 0."""
    skipped: tuple[SkippedEntry, ...] = ()
    removed: int = 0
    """Since when it is no longer configured, or 0."""
    backlog: str = "30d"
    """What it may hold back, as the configuration has it: that of one that is removed is written nowhere else."""


class ReplayEntry(Struct, frozen=True, array_like=True):
    """A replay under way: a temporary cursor, which opens what it passes again for its output."""

    number: int
    """Of the same series as the outputs' numbers."""
    output: int
    asked: int
    """When a person asked for it."""
    next: int
    """The first sequence that it has not passed; at `until` it is over."""
    until: int
    since: int
    """Of the events in its range, it takes those received from this time on,"""
    before: int
    """and before this one; 0 means no bound."""
    device: str
    """Only of this device; empty means of any."""
    kind: str
    rate: float
    """Events a second at most."""
    opened: int = 0
    """How many events it opened again so far."""


class StateBlob(Struct, frozen=True, array_like=True):
    """The blob of a STATE record."""

    next_number: int
    outputs: tuple[OutputEntry, ...]
    replays: tuple[ReplayEntry, ...] = ()


class Change(Struct, frozen=True, array_like=True):
    """What became of one delivery: the history that `why` tells, and what brings a state up to date."""

    output: int
    sequence: int
    outcome: str
    """retry and dead leave it open. delivered, expired, dropped (by a person), none (nothing at that sequence to
    deliver), unwanted (by the output's table) close it. again (a dead letter) and replay (what was settled) open it
    anew, as a person asked. skipped closes it and all up to `until`, dead letters excepted."""
    when: int
    attempts: int = 0
    reason: str = ""
    until: int = 0
    """The first sequence that is not skipped."""


class OutputNote(Struct, frozen=True, array_like=True):
    """An output's state changed: history only."""

    output: int
    when: int
    state: str
    """open, waiting (the far side is away), paused, stopped."""
    reason: str = ""


class TurnedAway(Struct, frozen=True, array_like=True):
    """Pushes within one minute that were not stored as new, summed: history only.

    `first`, `outcome`, `device`, `peer` and `reason` say which sum it is; the newest with a higher count replaces it.
    """

    first: int
    last: int
    count: int
    outcome: str
    """duplicate, refused (not understood, not allowed), or not stored (the journal took nothing)."""
    device: str
    """Empty where the push did not get so far as to say."""
    peer: str
    reason: str = ""
    sequence: int = 0
    """Of a duplicate: where the push was stored the first time."""


class ChangesBlob(Struct, frozen=True, array_like=True):
    """The blob of a CHANGES record."""

    next: tuple[tuple[int, int], ...]
    """(output, the first sequence that it never took): what it passed is open, but for what the changes close.
    Also (replay, the first sequence that it has not passed)."""
    changes: tuple[Change, ...]
    outputs: tuple[OutputNote, ...] = ()
    turned_away: tuple[TurnedAway, ...] = ()
    opened: tuple[tuple[int, int], ...] = ()
    """(replay, how many events it opened again so far)."""


class Prefix(Struct, frozen=True):
    """The decoded prefix of a record, itself proven."""

    kind: int
    count: int
    """How many sequences it takes; state and changes take none."""
    blob_size: int
    tail_size: int
    sequence: int
    own_checksum: int
    blob_checksum: int

    @property
    def fixed_size(self) -> int:
        """Bytes of prefix and blob."""
        return PREFIX_SIZE + self.blob_size

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return PREFIX_SIZE + self.blob_size + self.tail_size

    @property
    def until(self) -> int:
        """The first sequence behind it."""
        return self.sequence + self.count


_pack = msgspec.msgpack.Encoder().encode
decode_push = msgspec.msgpack.Decoder(PushBlob).decode
decode_state = msgspec.msgpack.Decoder(StateBlob).decode
decode_changes = msgspec.msgpack.Decoder(ChangesBlob).decode


def pack(blob: PushBlob | StateBlob | ChangesBlob) -> bytes:
    """The blob's bytes."""
    return _pack(blob)


def is_picture(data: bytes, entry: PictureEntry) -> bool:
    """Whether these bytes are the picture."""
    return len(data) == entry.size and hashlib.sha256(data).hexdigest() == entry.sha256


def seed(uuid: bytes, segment: int) -> int:
    """What the checksums of a segment's records begin with."""
    return zlib.crc32(uuid + segment.to_bytes(8, "little"))


def fixed_part(kind: int, sequence: int, count: int, blob: bytes, tail_size: int, seed: int) -> bytes:
    """Prefix and blob, ready to be written."""
    prefix = _UNSEALED.pack(MAGIC, kind, count, len(blob), tail_size, sequence)
    own = zlib.crc32(prefix, seed)
    return b"".join((prefix, own.to_bytes(4, "little"), zlib.crc32(blob, own).to_bytes(4, "little"), blob))


def decode_prefix(data: bytes, seed: int) -> Prefix | None:
    """The prefix at the beginning of data; None where there is none that was written into this segment."""
    if len(data) < PREFIX_SIZE or not data.startswith(MAGIC):
        return None
    _, kind, count, blob_size, tail_size, sequence, own, blob = PREFIX.unpack_from(data)
    if zlib.crc32(data[: _UNSEALED.size], seed) != own:
        return None
    return Prefix(kind, count, blob_size, tail_size, sequence, own, blob)


def is_sound(prefix: Prefix, blob: bytes) -> bool:
    """Whether the blob is as it was written behind this prefix."""
    return len(blob) == prefix.blob_size and zlib.crc32(blob, prefix.own_checksum) == prefix.blob_checksum


def to_milliseconds(when: datetime) -> int:
    """A time as the journal writes it."""
    return round(when.timestamp() * 1000)


def from_milliseconds(when: int) -> datetime:
    """A time of the journal, UTC."""
    return datetime.fromtimestamp(when / 1000, UTC)
