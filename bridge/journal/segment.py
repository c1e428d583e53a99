"""Segment files: making one, reading records out of one, and going through one that may be damaged anywhere."""

from __future__ import annotations

import errno
import os
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Packing
from typing import Final

from msgspec import Struct

from bridge.journal.record import MAGIC, PREFIX_SIZE, Kind, Prefix, decode_prefix, is_sound, seed

HEADER: Final = Packing("<8sI16sQQQ")
"""magic, format version, journal's UUID, segment number, base sequence, made at (ms); a checksum follows."""
HEADER_MAGIC: Final = b"BOXBRDG\n"
FORMAT_VERSION: Final = 1
HEADER_COPIES: Final = (0, 4096)
"""Offsets of the header's two copies: in two pages, so that one damaged page costs neither."""
FIRST_RECORD: Final = 8192
GROUP_ALIGNMENT: Final = 4096
"""Each group of records is padded to it: the next append never rewrites the block of an answered record's tail."""

_READ_AHEAD: Final = 8192
"""Enough for the fixed part of most pushes in one read."""
_SEARCH: Final = 1 << 20
_SECTOR: Final = 4096
_NOWAIT: Final = getattr(os, "RWF_NOWAIT", 0)


class WouldBlock(Exception):
    """The bytes are not in memory: read them in a thread that may wait for the disk."""


class NotASegment(Exception):
    """The file has no sound header; says why."""


class NewerFormat(Exception):
    """The file was written by a newer version: it is left untouched."""


class Header(Struct, frozen=True):
    """What a segment file says of itself."""

    uuid: bytes
    number: int
    base: int
    """The first sequence in it. Records of the segment before are live only below it."""
    made: int


class Found(Struct, frozen=True):
    """A sound record in a segment."""

    offset: int
    prefix: Prefix
    blob: bytes


class Damage(Struct, frozen=True):
    """Bytes in the middle of a segment that are no record."""

    offset: int
    end: int


def file_name(number: int) -> str:
    """The name of a segment's file."""
    return f"{number:08}.seg"


def encode_header(header: Header) -> bytes:
    """The segment's first FIRST_RECORD bytes."""
    packed = HEADER.pack(HEADER_MAGIC, FORMAT_VERSION, header.uuid, header.number, header.base, header.made)
    copy = packed + zlib.crc32(packed).to_bytes(4, "little")
    head = bytearray(FIRST_RECORD)
    for offset in HEADER_COPIES:
        head[offset : offset + len(copy)] = copy
    return bytes(head)


def read_header(path: Path) -> Header:
    """The header of a file, from either of its copies; raises NotASegment, NewerFormat or OSError."""
    with path.open("rb") as file:
        head = file.read(FIRST_RECORD)
    for offset in HEADER_COPIES:
        packed = head[offset : offset + HEADER.size]
        checksum = head[offset + HEADER.size : offset + HEADER.size + 4]
        if len(checksum) < 4 or zlib.crc32(packed).to_bytes(4, "little") != checksum:
            continue
        magic, version, uuid, number, base, made = HEADER.unpack(packed)
        if magic != HEADER_MAGIC:
            continue
        if version > FORMAT_VERSION:
            raise NewerFormat(f"{path} has format {version}; this version reads up to {FORMAT_VERSION}")
        return Header(uuid, number, base, made)
    raise NotASegment(f"{path} has no sound header")


class Segment:
    """One segment file. Reading only; the writer appends to the newest through its own descriptor."""

    def __init__(self, path: Path, header: Header, *, fresh: bool = False) -> None:
        self.path = path
        self.header = header
        self.seed = seed(header.uuid, header.number)
        self.end: int | None = None
        """The first sequence that is not this segment's: the next one's base. None for the newest."""
        self._fd = -1
        self._sequences = array("Q")
        self._offsets = array("Q")
        self._mapped = fresh

    @property
    def number(self) -> int:
        """The number in its name."""
        return self.header.number

    @property
    def base(self) -> int:
        """Its first sequence."""
        return self.header.base

    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    # --- Where records are

    def wrote(self, sequence: int, offset: int) -> None:
        """Remember where a push record stands, as it was written."""
        self._offsets.append(offset)  # first, so that a reader in another thread never finds a sequence without it
        self._sequences.append(sequence)

    @property
    def mapped(self) -> bool:
        """Whether it is known where its records are, so that `locate` need not read the file."""
        return self._mapped

    def map(self) -> None:
        """Find out where its push records are; reads the whole file without pictures."""
        if self._mapped:
            return
        sequences, offsets = array("Q"), array("Q")
        for found in self.records():
            if isinstance(found, Found) and found.prefix.kind == Kind.PUSH and self.is_live(found.prefix.sequence):
                sequences.append(found.prefix.sequence)
                offsets.append(found.offset)
        self._sequences, self._offsets = sequences, offsets
        self._mapped = True

    def forget_map(self) -> None:
        """Give the memory of `map` back."""
        self._sequences, self._offsets, self._mapped = array("Q"), array("Q"), False

    def locate(self, sequence: int) -> int | None:
        """Offset of the last push record that begins at or before the sequence; None if there is none."""
        place = bisect_right(self._sequences, sequence)
        return self._offsets[place - 1] if place else None

    def following(self, sequence: int) -> int | None:
        """The first sequence above this one at which a record begins."""
        place = bisect_right(self._sequences, sequence)
        return self._sequences[place] if place < len(self._sequences) else None

    def is_live(self, sequence: int) -> bool:
        """The one rule of what counts: below the next segment's base."""
        return self.end is None or sequence < self.end

    # --- Reading

    def read(self, offset: int, size: int, *, wait: bool) -> bytes:
        """Bytes of the file, fewer at its end; raises WouldBlock unless it may wait for the disk, and OSError."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        if wait or not _NOWAIT:
            return os.pread(self._fd, size, offset)
        buffer = bytearray(size)
        try:
            got = os.preadv(self._fd, [buffer], offset, _NOWAIT)
        except BlockingIOError:
            raise WouldBlock from None
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return os.pread(self._fd, size, offset)
        if got < size and offset + got < os.fstat(self._fd).st_size:
            raise WouldBlock
        return bytes(buffer) if got == size else bytes(buffer[:got])

    def record_at(self, offset: int, *, wait: bool) -> Found | None:
        """The record there, its fixed part proven; None where it is damaged."""
        data = self.read(offset, _READ_AHEAD, wait=wait)
        prefix = decode_prefix(data)
        if prefix is None:
            return None
        fixed_size = PREFIX_SIZE + prefix.blob_size
        if fixed_size > len(data):
            if offset + prefix.size > self.size():
                return None
            data = self.read(offset, fixed_size, wait=wait)
        fixed = data[:fixed_size]
        return Found(offset, prefix, fixed[PREFIX_SIZE:]) if is_sound(prefix, fixed, self.seed) else None

    def records(self, start: int = FIRST_RECORD) -> Iterator[Found | Damage]:
        """Go through the file, padding left out and damage named; pictures are not read. May wait for the disk."""
        offset, size = start, self.size()
        while offset < size:
            found = self._sound_at(offset)
            if found is not None:
                yield found
                offset += found.prefix.size
                continue
            following, empty = self._next_record(offset, size)
            if not empty:
                yield Damage(offset, following)
            offset = following

    def _sound_at(self, offset: int) -> Found | None:
        try:
            return self.record_at(offset, wait=True)
        except OSError:  # an unreadable sector is damage like any other
            return None

    def _next_record(self, start: int, size: int) -> tuple[int, bool]:
        """Offset of the next sound record after start (else the file's size), and whether only zeros lie between."""
        offset, empty = start, True
        while offset < size:
            try:
                chunk = self.read(offset, _SEARCH, wait=True)
            except OSError:
                chunk = b"?"
            place = chunk.find(MAGIC, 1 if offset == start else 0)
            while place >= 0:
                empty = empty and not chunk[:place].strip(b"\0")
                if self._sound_at(offset + place) is not None:
                    return offset + place, empty
                place = chunk.find(MAGIC, place + 1)
                empty = False
            empty = empty and not chunk.strip(b"\0")
            # A magic that lies across two chunks must not be missed.
            offset += max(len(chunk) - len(MAGIC) + 1, _SECTOR) if len(chunk) > len(MAGIC) else _SECTOR
        return size, empty

    def close(self) -> None:
        """Close the descriptor; the next read opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
