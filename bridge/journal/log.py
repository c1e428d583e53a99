"""The log: all segments in order, and reading the record of any sequence from them."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Final

from msgspec import DecodeError, Struct

from bridge.event import Event, Picture, PictureLost, PictureSource, decode_document
from bridge.journal.record import (
    ChangesBlob,
    Kind,
    PictureEntry,
    PushBlob,
    decode_changes,
    decode_push,
    is_picture,
)
from bridge.journal.segment import FIRST_RECORD, GROUP_ALIGNMENT, Damage, Found, Places, Segment, WouldBlock
from bridge.output import Original
from bridge.threads import Threads

_CACHED_EVENTS: Final = 256
_CACHED_BYTES: Final = 8_000_000
_BUSY_SEGMENTS: Final = 8
_STEPS: Final = 64
_READERS: Final = Threads("journal-read", 4)
"""Nobody else's: what an output waits for in threads of the loop's own, such as name look-ups, must not hold reads."""


class Lost(Struct, frozen=True):
    """Sequences whose records are damaged or missing."""

    sequence: int
    until: int
    """The first sequence at which something may be there again."""
    let_go: bool = False
    """Whether they were let go, every output being done with them."""


class Pictures:
    """The pictures of one push: read when asked for, proven, and once for all outputs.

    Apart from the record, so that events and record don't hold each other in memory.
    """

    def __init__(self, segment: Segment, offset: int, entries: tuple[PictureEntry, ...]) -> None:
        self._segment = segment
        self._offset = offset
        self._entries = entries
        self._read: dict[str, bytes] = {}

    @cached_property
    def _places(self) -> dict[str, tuple[int, PictureEntry]]:
        """Where each begins, by digest: a push may hold very many, and most are never asked for."""
        places: dict[str, tuple[int, PictureEntry]] = {}
        offset = self._offset
        for entry in self._entries:
            places.setdefault(entry.sha256, (offset, entry))
            offset += entry.size
        return places

    async def read(self, sha256: str) -> bytes:
        """A picture's bytes; raises PictureLost, and OSError for trouble that may pass."""
        try:
            return self._get(sha256, wait=False)
        except WouldBlock:
            return await _READERS.run(partial(self._get, sha256, wait=True))

    def read_blocking(self, sha256: str) -> bytes:
        """`read` for threads."""
        return self._get(sha256, wait=True)

    def _get(self, sha256: str, *, wait: bool) -> bytes:
        if sha256 in self._read:
            return self._read[sha256]
        if sha256 not in self._places:
            raise PictureLost(f"its push has no picture {sha256}")
        offset, entry = self._places[sha256]
        segment = self._segment
        where, failed = f"({segment.path.name}, offset {offset})", segment.failed_reads
        data = segment.read(offset, entry.size, wait=wait)
        if not is_picture(data, entry):
            if segment.failed_reads != failed and segment.may_come_back(offset):
                raise OSError(errno.EIO, f"picture {sha256} can't be read now {where}")
            raise PictureLost(f"picture {sha256} is damaged on disk {where}")
        segment.came_back(offset)
        self._read[sha256] = data
        return data


class NoPictures:
    """The pictures of a push that were let go: none of them is there."""

    async def read(self, sha256: str) -> bytes:
        """Raises PictureLost."""
        return self.read_blocking(sha256)

    def read_blocking(self, sha256: str) -> bytes:
        """Raises PictureLost."""
        raise PictureLost(f"picture {sha256} is no longer kept: it went after `keep`, or when the journal was full")


class FreshPictures:
    """The pictures of a push that was just written, as long as they are in memory anyway."""

    def __init__(self, entries: tuple[PictureEntry, ...], pictures: tuple[bytes, ...]) -> None:
        self._pictures = {entry.sha256: data for entry, data in zip(entries, pictures, strict=True)}

    async def read(self, sha256: str) -> bytes:
        """A picture's bytes."""
        return self._pictures[sha256]

    def read_blocking(self, sha256: str) -> bytes:
        """`read` for threads."""
        return self._pictures[sha256]


class Record:
    """One push as it lies in the log."""

    def __init__(
        self, sequence: int, size: int, blob: PushBlob, pictures: PictureSource, events: tuple[Event, ...] = ()
    ) -> None:
        self.sequence = sequence
        self.count = blob.count
        self.size = size
        """Bytes in the log."""
        self.blob = blob
        self.pictures = pictures
        self._events = {place: event.reading_from(pictures) for place, event in enumerate(events)}

    @classmethod
    def found(cls, segment: Segment, found: Found) -> Record:
        """A record as it was read; raises msgspec.DecodeError."""
        blob = decode_push(found.blob)
        let_go = not found.prefix.tail_size and any(entry.size for entry in blob.pictures)
        offset = found.offset + found.prefix.fixed_size
        pictures = NoPictures() if let_go else Pictures(segment, offset, blob.pictures)
        return cls(found.prefix.sequence, found.prefix.size, blob, pictures)

    @property
    def until(self) -> int:
        """The first sequence behind it."""
        return self.sequence + self.count

    @property
    def has_pictures(self) -> bool:
        """Whether its pictures are still kept, if it had any."""
        return not isinstance(self.pictures, NoPictures)

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


class Log:
    """The segments of one journal, oldest first. The writer's thread appends; everyone reads by sequence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segments: list[Segment] = []
        """Never changed but exchanged, so that other threads may walk it."""
        self.next = 1
        """The next sequence to be given: everything below it is on disk."""
        self._records: dict[int, Record] = {}
        """The last ones read, by each of their sequences: the lanes share them."""
        self._cached_bytes = 0
        self._ahead: OrderedDict[int, tuple[Segment, int]] = OrderedDict()
        """Where to look for the record that begins at a sequence: behind the one that ends there."""
        self._busy: OrderedDict[int, Segment] = OrderedDict()
        """Older segments that were read lately, by number: the rest cost neither memory nor a descriptor."""
        self._busy_lock = Lock()

    # --- Segments

    def add(self, segment: Segment) -> None:
        """Take in the newest segment; the one before it ends where this one begins."""
        if self.segments:
            before = self.segments[-1]
            before.end = min(before.header.limit or segment.base, segment.base)
            self._note_busy(self.segments[-1])
        self.segments = [*self.segments, segment]

    def drop(self, segment: Segment) -> None:
        """Let go of a segment whose file is gone, so that nobody reads it any more."""
        self.segments = [other for other in self.segments if other is not segment]
        segment.close()

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        """One segment in the place of several neighbours, which nobody reads from now on."""
        self.segments = [new if segment is old[0] else segment for segment in self.segments if segment not in old[1:]]
        with self._busy_lock:
            for segment in old:
                self._busy.pop(segment.number, None)
        for until, (segment, _) in list(self._ahead.items()):
            if segment in old:
                self._ahead.pop(until, None)

    def forget_read(self) -> None:
        """Let go of what was read: a file that was replaced takes room until nobody has it open."""
        self._records.clear()
        self._cached_bytes = 0

    @property
    def first(self) -> int:
        """The oldest sequence that is still there."""
        segments = self.segments
        return segments[0].base if segments else self.next

    def bytes_on_disk(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    def segment_of(self, sequence: int) -> Segment | None:
        """The segment whose range holds the sequence."""
        segments = self.segments
        place = bisect_right(segments, sequence, key=attrgetter("base")) - 1
        # Segments may share a base (a start without pushes): the last of them holds it.
        return segments[place] if place >= 0 else None

    def pushes(self, sequence: int) -> Iterator[Record | Lost]:
        """All live pushes from a sequence on, without the cache; may wait for the disk."""
        return (entry for entry in self.entries(sequence) if not isinstance(entry, ChangesBlob))

    def entries(self, sequence: int) -> Iterator[Record | Lost | ChangesBlob]:
        """The same, and what was logged of outputs meanwhile."""
        expected = sequence
        for segment in self.segments:
            if segment.end is not None and segment.end < sequence:
                continue
            for found in segment.records():
                entry = _entry(segment, found, expected) if found.prefix and found.prefix.until >= sequence else None
                if isinstance(entry, Record):
                    gap_until = segment.base if segment.is_sparse else entry.sequence
                    if gap_until > expected:
                        yield Lost(expected, gap_until)
                    expected = entry.until
                if entry is not None:
                    yield entry
            if segment.is_sparse and segment.end is not None and expected >= segment.base:
                expected = max(expected, segment.end)
            if segment.end is not None:
                segment.close()
        if expected < self.next:
            yield Lost(expected, self.next)

    # --- Reading by sequence

    async def read(self, sequence: int) -> Record | Lost:
        """The record that holds the sequence, which must be below `next`; raises OSError for trouble that may pass."""
        cached = self._records.get(sequence)
        if cached is not None:
            return cached
        try:
            read = self._load(sequence, wait=False)
        except WouldBlock:
            read = await _READERS.run(partial(self._load, sequence, wait=True))
        if isinstance(read, Record):
            read = self._records.get(sequence) or self._remember(read)  # another lane may have been quicker
        return read

    def written(self, record: Record) -> None:
        """A record that was just brought to disk: lanes that keep up need not read it back."""
        self._remember(record)

    def read_blocking(self, sequence: int) -> Record | Lost:
        """`read` for threads, past the cache."""
        return self._load(sequence, wait=True)

    def _remember(self, record: Record) -> Record:
        for sequence in range(record.sequence, record.until):
            self._records[sequence] = record
        self._cached_bytes += record.size
        while len(self._records) > _CACHED_EVENTS or self._cached_bytes > _CACHED_BYTES:
            gone = next(iter(self._records.values()))
            if gone is record:
                break
            for sequence in range(gone.sequence, gone.until):
                del self._records[sequence]
            self._cached_bytes -= gone.size
        return record

    def _load(self, sequence: int, *, wait: bool) -> Record | Lost:
        segment = self.segment_of(sequence)
        if segment is None:
            return Lost(sequence, self.first)
        if (
            segment.end is not None and sequence >= segment.end
        ):  # as where the file after one that was rewritten is gone
            return Lost(sequence, next((s.base for s in self.segments if s.base > sequence), self.next))
        self._note_busy(segment)
        # Before any look-up: what is stored while it goes on must not count as lost.
        bound, failed = segment.end or self.next, segment.failed_reads
        found = self._walk(segment, sequence, wait=wait) or self._look_up(segment, sequence, wait=wait)
        if found is not None:
            try:
                record = Record.found(segment, found)
            except DecodeError:
                return Lost(sequence, found.prefix.until)
            self._ahead[found.prefix.until] = segment, found.end
            if len(self._ahead) > _CACHED_EVENTS:
                self._ahead.popitem(last=False)
            return record
        places = self._places(segment, wait=wait)
        if segment.failed_reads != failed or places.partial:
            # Lost is for good: that is not to be said while the disk may only be away.
            if places.partial:
                segment.places = None
            raise OSError(errno.EIO, f"{os.strerror(errno.EIO)}: {segment.path.name}")
        return Lost(sequence, places.after(sequence) or bound, segment.is_sparse)

    def _walk(self, segment: Segment, sequence: int, *, wait: bool) -> Found | None:
        """The record that follows the one read before, or is the segment's first; None where that is not known."""
        last, offset = self._ahead.get(sequence, (None, 0))
        if last is not segment:
            if sequence != segment.base:
                return None
            offset = FIRST_RECORD
        for _ in range(_STEPS):
            found = segment.record_at(offset, wait=wait)
            if found is None:  # padding, most likely: the next group begins at the next page
                following = -(-offset // GROUP_ALIGNMENT) * GROUP_ALIGNMENT
                if following == offset:
                    return None
                offset = following
            elif isinstance(found, Found) and found.prefix.kind == Kind.PUSH:
                return found if found.prefix.sequence == sequence else None
            else:
                offset = found.end
        return None

    def _look_up(self, segment: Segment, sequence: int, *, wait: bool) -> Found | None:
        offset = self._places(segment, wait=wait).at(sequence)
        found = None if offset is None else segment.record_at(offset, wait=wait)
        return found if isinstance(found, Found) and found.prefix.until > sequence else None

    def _places(self, segment: Segment, *, wait: bool) -> Places:
        if segment.places is None and not wait:
            raise WouldBlock
        return segment.map()

    def _note_busy(self, segment: Segment) -> None:
        if segment.end is None:
            return
        with self._busy_lock:
            self._busy[segment.number] = segment
            self._busy.move_to_end(segment.number)
            while len(self._busy) > _BUSY_SEGMENTS:
                self._busy.popitem(last=False)[1].rest()

    def close(self) -> None:
        """Close all files."""
        for segment in self.segments:
            segment.close()


def _entry(segment: Segment, found: Found | Damage, expected: int) -> Record | ChangesBlob | None:
    """What a record of the log says; None where it is nothing, or nothing new."""
    if not isinstance(found, Found):
        return None
    prefix = found.prefix
    try:
        if prefix.kind == Kind.CHANGES:
            return decode_changes(found.blob)
        if prefix.kind == Kind.PUSH and prefix.until > expected and segment.is_live(prefix.sequence):
            return Record.found(segment, found)
    except DecodeError:
        return None  # the gap in the sequences names it
    return None
