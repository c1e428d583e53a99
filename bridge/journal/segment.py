"""Segment files as they are read: header, records by their offset, and a way through one that may be damaged anywhere.

They are written by `tail`, and never changed once another has begun.
"""

from __future__ import annotations

import errno
import os
import time
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from struct import Struct as Packing
from typing import Final

from msgspec import Struct, structs

from bridge.journal.record import MAGIC, PREFIX_SIZE, Kind, Prefix, decode_prefix, is_sound, seed

HEADER: Final = Packing("<8sI16sQQQQII")
"""magic, format version, journal's UUID, segment number, base sequence, made at (ms), limit, form, pins; a checksum
follows."""
HEADER_MAGIC: Final = b"BOXBRDG\n"
FORMAT_VERSION: Final = 1
HEADER_COPIES: Final = (0, 4096)
"""Offsets of the header's two copies: in two pages, so that one damaged page costs neither."""
FIRST_RECORD: Final = 8192
GROUP_ALIGNMENT: Final = 4096
"""Each group of records is padded to it: the next append never rewrites the block of an answered record's tail."""

_READ_AHEAD: Final = 8192
"""Enough for the fixed part of most pushes in one read."""
_WINDOW: Final = 1 << 16
_SECTOR: Final = 4096
_PATIENCE_SECONDS: Final = 600.0
"""How long a picture that the disk does not give is waited for, before its event goes out without it."""
_NOWAIT: Final = getattr(os, "RWF_NOWAIT", 0)


class WouldBlock(Exception):
    """The bytes are not in memory: read them in a thread that may wait for the disk."""


class NotASegment(Exception):
    """The file has no sound header; says why."""


class NewerFormat(Exception):
    """The file was written by a newer version: it is left untouched."""


class Form(IntEnum):
    """What is left in a segment, each less than the one before."""

    WHOLE = 0
    """All that was written."""
    HISTORY = 1
    """All pushes; pictures only of dead letters."""
    SHED = 2
    """All pushes, no picture."""
    PINNED = 3
    """Only the pushes of dead letters."""


class Header(Struct, frozen=True):
    """What a segment file says of itself."""

    uuid: bytes
    number: int
    base: int
    """The first sequence in it. Records of the segment before are live only below it."""
    made: int
    limit: int = 0
    """Of one that was rewritten: the first sequence that is not its own."""
    form: int = Form.WHOLE
    pins: int = 0
    """How many dead letters it had when it was rewritten."""


class Found(Struct, frozen=True):
    """A record in a segment whose fixed part is sound."""

    offset: int
    end: int
    """Offset of the byte behind it."""
    prefix: Prefix
    blob: bytes


class Damage(Struct, frozen=True):
    """Bytes in a segment that are neither record nor padding."""

    offset: int
    end: int
    prefix: Prefix | None = None
    """What the record said of itself, where that much is sound."""
    torn: bool = False
    """Whether it is the beginning of a record, and the file ends before that does: its write was never finished."""


def file_name(number: int) -> str:
    """The name of a segment's file."""
    return f"{number:08}.seg"


def encode_header(header: Header) -> bytes:
    """The segment's first FIRST_RECORD bytes."""
    packed = HEADER.pack(HEADER_MAGIC, FORMAT_VERSION, *structs.astuple(header))
    copy = packed + zlib.crc32(packed).to_bytes(4, "little")
    head = bytearray(FIRST_RECORD)
    for offset in HEADER_COPIES:
        head[offset : offset + len(copy)] = copy
    return bytes(head)


def read_header(path: Path) -> Header:
    """The header of a file, from either of its copies; raises NotASegment, NewerFormat or OSError."""
    descriptor = _Descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    unread: OSError | None = None
    for offset in HEADER_COPIES:
        try:
            copy = os.pread(descriptor.number, HEADER.size + 4, offset)
        except OSError as error:
            unread = error
            continue
        packed = copy[: HEADER.size]
        if len(copy) < HEADER.size + 4 or zlib.crc32(packed).to_bytes(4, "little") != copy[HEADER.size :]:
            continue
        magic, version, *fields = HEADER.unpack(packed)
        if magic != HEADER_MAGIC:
            continue
        if version > FORMAT_VERSION:
            raise NewerFormat(f"{path} has format {version}; this version reads up to {FORMAT_VERSION}")
        return Header(*fields)
    if unread is not None:  # it may be sound all the same
        raise unread
    raise NotASegment("it has no sound header")


class Offsets:
    """Where the push records of a segment begin, by sequence."""

    def __init__(self) -> None:
        self._sequences = array("Q")
        self._offsets = array("Q")
        self.partial = False
        """Whether parts of the file could not be read: what is missing here may be there all the same."""

    def add(self, sequence: int, offset: int) -> None:
        """Note one; sequences come in order."""
        self._offsets.append(offset)  # first, so that a reader in another thread never finds a sequence without it
        self._sequences.append(sequence)

    def at(self, sequence: int) -> int | None:
        """Offset of the last record that begins at or before the sequence; None if there is none."""
        place = bisect_right(self._sequences, sequence)
        return self._offsets[place - 1] if place else None

    def after(self, sequence: int) -> int | None:
        """The first sequence above this one at which a record begins."""
        place = bisect_right(self._sequences, sequence)
        return self._sequences[place] if place < len(self._sequences) else None


class Segment:
    """One segment file, for reading in any thread."""

    def __init__(self, path: Path, header: Header, offsets: Offsets | None = None) -> None:
        self.path = path
        self.header = header
        self.number = header.number
        self.base = header.base
        """Its first sequence."""
        self.seed = seed(header.uuid, header.number)
        self.size = path.stat().st_size
        """Bytes that may be read: in the newest, those that are surely on disk."""
        self.end: int | None = None
        """The first sequence that is not this segment's: the next one's base. None for the newest."""
        self.blank = False
        """Whether it is known to hold nothing but header and state, so that the next one makes it superfluous."""
        self.offsets = offsets
        """Where its push records are; None until `map`."""
        self.failed_reads = 0
        """How often the disk did not give what should be there; it may have lost it, or be away for a while."""
        self._unread_since: dict[int, float] = {}
        """When (monotonic) the disk first did not give what is at an offset."""
        self._descriptor: _Descriptor | None = None
        self._retired = False

    @property
    def is_sparse(self) -> bool:
        """Whether pushes were taken out of it, so that one that is missing was let go, most likely, and not lost."""
        return self.header.form == Form.PINNED

    def is_live(self, sequence: int) -> bool:
        """The one rule of what counts: below the next segment's base."""
        return self.base <= sequence and (self.end is None or sequence < self.end)

    def map(self) -> Offsets:
        """Where its push records are; the first time it goes through the whole file, without pictures."""
        offsets = self.offsets
        if offsets is None:
            offsets, failed = Offsets(), self.failed_reads
            for found in self.records():
                if isinstance(found, Found) and found.prefix.kind == Kind.PUSH and self.is_live(found.prefix.sequence):
                    offsets.add(found.prefix.sequence, found.offset)
            offsets.partial = self.failed_reads != failed
            self.offsets = offsets
        return offsets

    def read(self, offset: int, size: int, *, wait: bool) -> bytes:
        """Bytes of the file; fewer at its end, and where the disk has lost them.

        Raises WouldBlock unless it may wait for the disk, and OSError for trouble that may pass.
        """
        try:
            descriptor = self._descriptor or self._open()
            if wait or not _NOWAIT:
                return os.pread(descriptor.number, size, offset)
            buffer = bytearray(size)
            got = os.preadv(descriptor.number, [buffer], offset, _NOWAIT)
        except BlockingIOError:
            raise WouldBlock from None
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return self.read(offset, size, wait=True)
            if error.errno in (errno.EIO, errno.ENOENT):
                self.failed_reads += 1
                return b""
            raise
        if got < size and offset + got < self.size:
            raise WouldBlock
        return bytes(buffer) if got == size else bytes(buffer[:got])

    def _open(self) -> _Descriptor:
        opened = _Descriptor(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
        if not self._retired:  # else another file may have this name by now
            self._descriptor = opened
        return self._descriptor or opened

    def retire(self) -> None:
        """Another file is about to take its name: who reads this one goes on with it. Raises OSError."""
        self._descriptor = self._descriptor or _Descriptor(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
        self._retired = True

    def may_come_back(self, offset: int) -> bool:
        """Whether what the disk did not give, just now, is still to be asked for: a bad sector stays bad."""
        now = time.monotonic()
        return now - self._unread_since.setdefault(offset, now) < _PATIENCE_SECONDS

    def came_back(self, offset: int) -> None:
        """What is there was read: if the disk does not give it once more, that is another trouble."""
        self._unread_since.pop(offset, None)

    def record_at(self, offset: int, *, wait: bool) -> Found | Damage | None:
        """The record there, its fixed part proven; None where none begins. Raises WouldBlock and OSError."""
        return self._parse(self.read(offset, _READ_AHEAD, wait=wait), offset, wait=wait)

    def records(self) -> Iterator[Found | Damage]:
        """Go through the file, padding left out and damage named; pictures are not read. May wait for the disk."""
        window = _Window(self)
        offset = FIRST_RECORD
        while offset < self.size:
            data = window.at(offset)
            if data.startswith(b"\0"):
                offset += len(data) - len(data.lstrip(b"\0"))
                continue
            found = self._parse(data, offset, wait=True)
            if found is None:
                end, torn = self._next_record(offset + 1, window), self._is_torn(data)
                found = Damage(offset, end, torn=torn and end == self.size)
            yield found
            offset = found.end

    def _parse(self, data: bytes, offset: int, *, wait: bool) -> Found | Damage | None:
        """The record at this offset, of which at least the beginning has been read."""
        prefix = decode_prefix(data, self.seed)
        if prefix is None or (end := offset + prefix.size) > self.size:
            return None
        if (fixed := prefix.fixed_size) > len(data):
            data = self.read(offset, fixed, wait=wait)
        blob = data[PREFIX_SIZE:fixed]
        return Found(offset, end, prefix, blob) if is_sound(prefix, blob) else Damage(offset, end, prefix)

    def _is_torn(self, data: bytes) -> bool:
        """Whether a record begins with these bytes, which is none only for what comes, or doesn't, behind them."""
        cut_early = 0 < len(data) < PREFIX_SIZE and MAGIC.startswith(data[: len(MAGIC)])
        return cut_early or decode_prefix(data, self.seed) is not None

    def _next_record(self, start: int, window: _Window) -> int:
        """Offset of the next record at or after start, else the file's size."""
        offset = start
        while offset < self.size:
            data = window.at(offset)
            place = data.find(MAGIC)
            if place > 0:
                offset += place
            elif place == 0:
                if self._parse(window.at(offset), offset, wait=True) is not None:
                    return offset
                offset += 1
            else:  # a magic that lies across two reads must not be missed
                offset += max(len(data) - len(MAGIC) + 1, 1) if data else _SECTOR
        return self.size

    def note(self, sequence: int, offset: int) -> None:
        """Remember where a push record stands, as it was written."""
        self.map().add(sequence, offset)

    def rest(self) -> None:
        """Give memory and descriptor back until it is read again."""
        self.offsets = None
        self.close()

    def close(self) -> None:
        """Close the file, once the last reader is done; the next read opens it again."""
        if not self._retired:
            self._descriptor = None


class _Descriptor:
    """An open file; it closes with its last user, so that a reader is never left with a number of another file."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class _Window:
    """The bytes of a segment, read in large pieces, for going through it; empty where the disk can't read them."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._begins = 0
        self._data = b""

    def at(self, offset: int) -> bytes:
        """Bytes from this offset on: at least a prefix, but at the file's end."""
        place = offset - self._begins
        if not 0 <= place <= len(self._data) - PREFIX_SIZE:
            self._data = self._segment.read(offset, _WINDOW, wait=True)
            self._begins, place = offset, 0
        return self._data[place : place + _READ_AHEAD]
