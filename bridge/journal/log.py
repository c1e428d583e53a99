"""The log: all segments in order, and reading the record of any sequence from them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from msgspec import DecodeError, Struct

from bridge.event import Event, Picture, PictureLost, decode_document
from bridge.journal.record import Kind, PictureEntry, PushBlob, checksum, decode_push, from_milliseconds
from bridge.journal.segment import GROUP_ALIGNMENT, Damage, Found, Segment, WouldBlock
from bridge.normalizer import Push
from bridge.output import Original

_CACHED_RECORDS = 256
_CACHED_BYTES = 8_000_000
_MAPPED_SEGMENTS = 8
_STEPS = 64


class Lost(Struct, frozen=True):
    """Sequences whose records are damaged or missing."""

    sequence: int
    until: int
    """The first sequence that is there again."""


class Pictures:
    """The pictures of one push: read when asked for, proven, and once for all outputs.

    Apart from the record, so that events and record don't hold each other in memory.
    """

    def __init__(self, segment: Segment, offset: int, entries: tuple[PictureEntry, ...]) -> None:
        self._segment = segment
        self._offset = offset
        self._entries = entries
        self._read: dict[str, bytes] = {}

    async def read(self, sha256: str) -> bytes:
        """A picture's bytes; raises PictureLost."""
        try:
            return self._get(sha256, wait=False)
        except WouldBlock:
            return await asyncio.to_thread(self._get, sha256, wait=True)

    def read_blocking(self, sha256: str) -> bytes:
        """`read` for threads."""
        return self._get(sha256, wait=True)

    def _get(self, sha256: str, *, wait: bool) -> bytes:
        if sha256 in self._read:
            return self._read[sha256]
        offset = self._offset
        for entry in self._entries:
            if entry.sha256 == sha256:
                break
            offset += entry.size
        else:
            raise PictureLost(f"its push has no picture {sha256}")
        try:
            data = self._segment.read(offset, entry.size, wait=wait)
        except OSError as error:
            raise PictureLost(f"picture {sha256} can't be read: {error}") from error
        if len(data) != entry.size or checksum(data) != entry.checksum:
            raise PictureLost(f"picture {sha256} is damaged on disk ({self._segment.path.name}, offset {offset})")
        self._read[sha256] = data
        return data


class Record:
    """One push as it lies in the log."""

    def __init__(self, segment: Segment, found: Found) -> None:
        self.segment = segment
        self.offset = found.offset
        self.sequence = found.prefix.sequence
        self.count = found.prefix.count
        self.size = found.prefix.size
        self.blob: PushBlob = decode_push(found.blob)
        self.pictures = Pictures(segment, found.offset + self.size - found.prefix.tail_size, self.blob.pictures)
        self._events: dict[int, Event] = {}

    def event(self, sequence: int) -> Event | None:
        """The event at this sequence; None where the push holds none. Raises msgspec.DecodeError."""
        place = sequence - self.sequence
        if not 0 <= place < len(self.blob.events):
            return None
        if place not in self._events:
            self._events[place] = decode_document(self.blob.events[place].document).reading_from(self.pictures)
        return self._events[place]

    def document(self, sequence: int) -> bytes:
        """The event document at this sequence, as it was written."""
        return self.blob.events[sequence - self.sequence].document

    def original(self) -> Original:
        """The request that it came in."""
        blob = self.blob
        parts: list[bytes | Picture] = []
        start = 0
        for place, number in blob.cuts:
            entry = blob.pictures[number]
            cut = Picture(
                role="", media_type="", width=None, height=None, size=entry.size, sha256=entry.sha256
            ).reading_from(self.pictures)
            parts += [blob.body[start:place], cut]
            start = place
        parts.append(blob.body[start:])
        return Original(blob.method, blob.path, blob.query, blob.content_type, tuple(parts))

    def push(self, body: bytes) -> Push:
        """The push again, with this body, for a normalizer."""
        blob = self.blob
        return Push(
            method=blob.method,
            path=blob.path,
            query=blob.query,
            headers={"content-type": blob.content_type},
            body=body,
            peer=blob.peer,
            received=from_milliseconds(blob.received),
        )


class Log:
    """The segments of one journal, oldest first. The writer appends; everyone reads by sequence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segments: list[Segment] = []
        self.next = 1
        """The next sequence to be given: everything below it is on disk."""
        self._records: OrderedDict[int, Record] = OrderedDict()
        """The last ones read, by first sequence: the lanes share them."""
        self._cached_bytes = 0
        self._ahead: OrderedDict[int, tuple[Segment, int]] = OrderedDict()
        self._mapped: OrderedDict[int, Segment] = OrderedDict()

    # --- Segments

    def add(self, segment: Segment) -> None:
        """Take in the newest segment; the one before it ends where this one begins."""
        if self.segments:
            self.segments[-1].end = segment.base
            self._note_map(self.segments[-1])
        self.segments.append(segment)

    def drop_first(self) -> Segment:
        """Let go of the oldest segment, so that nobody reads it any more."""
        segment = self.segments.pop(0)
        segment.close()
        return segment

    @property
    def first(self) -> int:
        """The oldest sequence that is still there."""
        return self.segments[0].base if self.segments else self.next

    def bytes_on_disk(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size() for segment in self.segments)

    def segment_of(self, sequence: int) -> Segment | None:
        """The segment whose range holds the sequence."""
        place = bisect_right(self.segments, sequence, key=lambda segment: segment.base) - 1
        # Segments may share a base (a start without pushes): the last of them holds it.
        return self.segments[place] if place >= 0 else None

    def pushes(self, sequence: int) -> Iterator[Record | Lost]:
        """All live pushes from a sequence on, without the cache; may wait for the disk."""
        for segment in list(self.segments):
            if segment.end is not None and segment.end <= sequence:
                continue
            expected = max(segment.base, sequence)
            for found in segment.records():
                if isinstance(found, Damage) or found.prefix.kind != Kind.PUSH:
                    continue
                begins, ends = found.prefix.sequence, found.prefix.sequence + found.prefix.count
                if not segment.is_live(begins) or ends <= sequence:
                    continue
                if begins > expected:
                    yield Lost(expected, begins)
                yield Record(segment, found)
                expected = ends
            if segment.end is not None and expected < segment.end:
                yield Lost(expected, segment.end)

    # --- Reading by sequence

    async def read(self, sequence: int) -> Record | Lost:
        """The record that holds the sequence, which must be below `next`; raises OSError."""
        cached = self._records.get(sequence)
        if cached is not None:
            return cached
        try:
            read = self._load(sequence, wait=False)
        except WouldBlock:
            read = await asyncio.to_thread(self._load, sequence, wait=True)
        if isinstance(read, Record) and read.sequence not in self._records:
            self._remember(read)
        return read

    def read_blocking(self, sequence: int) -> Record | Lost:
        """`read` for threads, past the cache."""
        return self._load(sequence, wait=True)

    def _remember(self, record: Record) -> None:
        self._records[record.sequence] = record
        self._cached_bytes += record.size
        while len(self._records) > 1 and (len(self._records) > _CACHED_RECORDS or self._cached_bytes > _CACHED_BYTES):
            _, gone = self._records.popitem(last=False)
            self._cached_bytes -= gone.size

    def _load(self, sequence: int, *, wait: bool) -> Record | Lost:
        segment = self.segment_of(sequence)
        if segment is None:
            return Lost(sequence, self.first)
        found = self._walk(segment, sequence, wait=wait)
        if found is None:
            self._map(segment, wait=wait)
            offset = segment.locate(sequence)
            found = None if offset is None else segment.record_at(offset, wait=wait)
        if found is not None and found.prefix.sequence + found.prefix.count > sequence:
            try:
                return self._took(Record(segment, found))
            except DecodeError:
                found = None
        self._map(segment, wait=wait)
        return Lost(sequence, segment.following(sequence) or segment.end or self.next)

    def _walk(self, segment: Segment, sequence: int, *, wait: bool) -> Found | None:
        """The record that directly follows the one read before, without a map; None where that is not known."""
        place = self._ahead.get(sequence)
        if place is None or place[0] is not segment:
            return None
        offset = place[1]
        for _ in range(_STEPS):
            found = segment.record_at(offset, wait=wait)
            if found is None:  # padding, most likely: the next group begins at the next page
                following = -(-offset // GROUP_ALIGNMENT) * GROUP_ALIGNMENT
                if following == offset:
                    return None
                offset = following
            elif found.prefix.kind == Kind.PUSH:
                return found if found.prefix.sequence == sequence else None
            else:
                offset += found.prefix.size
        return None

    def _took(self, record: Record) -> Record:
        self._ahead[record.sequence + record.count] = record.segment, record.offset + record.size
        if len(self._ahead) > _CACHED_RECORDS:
            self._ahead.popitem(last=False)
        return record

    def _map(self, segment: Segment, *, wait: bool) -> None:
        if segment.mapped:
            return
        if not wait:
            raise WouldBlock
        segment.map()
        self._note_map(segment)

    def _note_map(self, segment: Segment) -> None:
        self._mapped[segment.number] = segment
        self._mapped.move_to_end(segment.number)
        while len(self._mapped) > _MAPPED_SEGMENTS:
            self._mapped.popitem(last=False)[1].forget_map()

    def close(self) -> None:
        """Close all files."""
        for segment in self.segments:
            segment.close()
