"""The log: all segments in order, and reading the record of any sequence from them."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Final

from msgspec import DecodeError, Struct

from bridge.journal.push import READERS, Record
from bridge.journal.record import ChangesBlob, Kind, decode_changes
from bridge.journal.segment import FIRST_RECORD, GROUP_ALIGNMENT, Damage, Found, Offsets, Segment, WouldBlock

_CACHED_EVENTS: Final = 256
_CACHED_BYTES: Final = 8_000_000
_BUSY_SEGMENTS: Final = 8
_STEPS: Final = 64


class Lost(Struct, frozen=True):
    """Sequences whose records are damaged or missing."""

    sequence: int
    until: int
    """The first sequence at which something may be there again."""
    let_go: bool = False
    """Whether they were let go, every output being done with them."""


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

    def at_hand(self, sequence: int) -> Record | None:
        """The record that holds the sequence, where it is in memory."""
        return self._records.get(sequence)

    async def read(self, sequence: int) -> Record | Lost:
        """The record that holds the sequence, which must be below `next`; raises OSError for trouble that may pass."""
        if (cached := self.at_hand(sequence)) is not None:
            return cached
        try:
            read = self._load(sequence, wait=False)
        except WouldBlock:
            read = await READERS.run(partial(self._load, sequence, wait=True))
        if isinstance(read, Record):
            read = self._records.get(sequence) or self._remember(read)  # another lane may have been quicker
        return read

    def written(self, record: Record) -> None:
        """A record that was just brought to disk: lanes that keep up need not read it back."""
        self._remember(record)

    def let_go(self, places: Iterable[int]) -> None:
        """Forget what is behind everybody who walks the log and keeps up. `places`: how far each has come.

        What is let go late has left the processor's own cache by then: it cost a fifteenth of a push's time.
        """
        oldest = min(self._records, default=0)
        wanted = min((place for place in places if place >= oldest), default=self.next)
        for record in [record for record in self._records.values() if record.until <= wanted]:
            self._drop(record)

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
            self._drop(gone)
        return record

    def _drop(self, record: Record) -> None:
        if self._records.pop(record.sequence, None) is not None:
            self._cached_bytes -= record.size
            for sequence in range(record.sequence + 1, record.until):
                del self._records[sequence]

    def _load(self, sequence: int, *, wait: bool) -> Record | Lost:
        segment = self.segment_of(sequence)
        if segment is None:
            return Lost(sequence, self.first)
        # As where the file after one that was rewritten is gone.
        if segment.end is not None and sequence >= segment.end:
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
        offsets = self._offsets(segment, wait=wait)
        if segment.failed_reads != failed or offsets.partial:
            # Lost is for good: that is not to be said while the disk may only be away.
            if offsets.partial:
                segment.offsets = None
            raise OSError(errno.EIO, f"{os.strerror(errno.EIO)}: {segment.path.name}")
        return Lost(sequence, offsets.after(sequence) or bound, segment.is_sparse)

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
        offset = self._offsets(segment, wait=wait).at(sequence)
        found = None if offset is None else segment.record_at(offset, wait=wait)
        return found if isinstance(found, Found) and found.prefix.until > sequence else None

    def _offsets(self, segment: Segment, *, wait: bool) -> Offsets:
        if segment.offsets is None and not wait:
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
