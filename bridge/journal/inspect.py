"""Going through a journal's files to name all that is damaged. It only reads, so a daemon may be at work in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import DecodeError, Struct

from bridge.event import PictureLost
from bridge.journal.folder import INDEX, Stray, survey
from bridge.journal.push import Record
from bridge.journal.record import Key, Kind, decode_changes, decode_state
from bridge.journal.segment import FIRST_RECORD, Damage, Found, Header, NotASegment, Segment, encode_header, read_header
from bridge.journal.view import IndexView

What = Literal[
    "event", "missing", "picture", "state", "bytes", "unreadable", "header", "foreign", "index", "torn", "aside"
]
"""event: its record is damaged. missing: an event's record is not there, nor damaged. state: of where outputs stood.
bytes: neither record nor padding, and no event is missing for it. torn: never answered. aside: found at an earlier
start."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as it was written."""

    what: What
    sentence: str
    """For people: what it is, and what follows from it."""
    harm: bool = True
    """False where nothing is lost by it, and nothing is to be done."""
    file: str = ""
    offset: int = 0
    end: int = 0
    sequence: int = 0
    """The first event it concerns,"""
    until: int = 0
    """and the first behind those."""
    events: tuple[str, ...] = ()
    """Their ids, as far as they are known."""


class Inspection:
    """One walk through the files of a journal, as they are when it begins."""

    def __init__(self, folder: Path, *, fast: bool = False) -> None:
        """Read the headers. `fast`: of the records, only the newest segment's are read after that.

        Raises NewerFormat and OSError.
        """
        self.folder = folder
        self.view = IndexView(folder / INDEX)
        through = self.view.through()  # before the log is looked at, which it must never be ahead of
        found = survey(folder)
        self._index_trouble = self.view.trouble(found.uuid, thorough=not fast)
        self._through = through if self._index_trouble is None else None
        self.uuid = found.uuid
        self.segments = [segment for path, header in found.segments if (segment := _segment(path, header))]
        for segment, following in zip(self.segments, self.segments[1:], strict=False):
            segment.end = min(segment.header.limit or following.base, following.base)
        self._files = {segment.number: _identity(segment.path) for segment in self.segments}
        self._strays = found.strays
        self._fast = fast
        self.pushes = self.events = self.pictures = 0
        """How many were read, and are sound."""
        self.first = self.segments[0].base if self.segments else 1
        """The oldest sequence."""
        self.next = self.first
        """The sequence behind the last that was found so far."""

    @property
    def bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    @property
    def read_through(self) -> list[Segment]:
        """The segments whose records are read."""
        return self.segments[-1:] if self._fast else self.segments

    def findings(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Finding]:
        """Go through all of it; `progress` is told of bytes that are done. Raises OSError for trouble with the disk."""
        for segment in self.segments:
            yield from self._unless_gone(segment, _header_copies(segment))
        for segment in self.read_through:
            self.next = max(self.next, segment.base) if self._fast else self.next
            yield from self._unless_gone(segment, self._segment(segment))
            self.next = segment.end or self.next
            segment.rest()
            progress(segment.size)
        yield from self._index()
        yield from self._other_files()

    # --- Segments

    def _unless_gone(self, segment: Segment, findings: Iterator[Finding]) -> list[Finding]:
        """What was found in a segment, unless a daemon let go of it meanwhile, or made it anew."""
        found = list(findings)
        return found if _identity(segment.path) == self._files[segment.number] else []

    def _segment(self, segment: Segment) -> Iterator[Finding]:
        _drop_cache(segment)
        keys: dict[int, Key] = {}
        odd: list[Damage] = []
        first = self.next
        for found in segment.records():
            prefix = found.prefix
            if prefix is None:
                odd.append(Damage(found.offset, found.end, torn=isinstance(found, Damage) and found.torn))
            elif prefix.kind != Kind.PUSH:
                yield from self._gap(segment, min(prefix.sequence, segment.end or prefix.sequence), odd)
                yield from _state(segment, found, prefix.kind)
                odd = []
            elif segment.is_live(prefix.sequence):
                yield from self._gap(segment, prefix.sequence, odd)
                odd = []
                self.next = max(self.next, prefix.until)
                record = _record(segment, found)
                if record is None:
                    lost = range(prefix.sequence, prefix.until)
                    yield self._lost("event", lost, segment, found.offset, found.end)
                else:
                    keys[record.sequence] = record.blob.key
                    yield from self._pictures(segment, found, record)
        yield from self._gap(segment, segment.end or self.next, odd)
        yield from self._rows(segment, first, keys)
        _drop_cache(segment)
        if segment.failed_reads:
            sentence = "the disk does not give all of it (input/output error): look at the kernel's log, and copy "
            sentence += "the journal while you can"
            yield _at(segment, FIRST_RECORD, segment.size, what="unreadable", sentence=sentence)

    def _gap(self, segment: Segment, sequence: int, odd: list[Damage]) -> Iterator[Finding]:
        """Tell of bytes that are no record, and of events that should be before this sequence and are not there."""
        missing = range(self.next, sequence)
        self.next = max(self.next, sequence)
        if missing and odd:
            yield self._lost("event", missing, segment, odd[0].offset, odd[-1].end)
            return
        if segment.is_sparse:  # what is missing within it was let go; before it nothing is
            missing = range(missing.start, min(missing.stop, segment.base))
        if missing:
            yield self._lost("missing", missing, segment)
        for damage in odd:
            yield _no_record(segment, damage)

    def _pictures(self, segment: Segment, found: Found | Damage, record: Record) -> Iterator[Finding]:
        self.pushes += 1
        self.events += len(record.blob.events)
        if not record.has_pictures:
            return
        ids = tuple(event.id for event in record.blob.events)
        for entry in record.blob.pictures:
            try:
                record.pictures.read_blocking(entry.sha256)
                self.pictures += 1
            except (PictureLost, OSError) as error:
                sentence = f"of event {', '.join(ids) or record.sequence}: {error}; the event lives on without it"
                yield _at(segment, found.offset, found.end, what="picture", sentence=sentence,
                          sequence=record.sequence, until=record.until, events=ids)  # fmt: skip

    def _lost(self, what: What, lost: range, segment: Segment, offset: int = 0, end: int = 0) -> Finding:
        """Events that were there once, named as far as the index still knows them."""
        ids = self.view.event_ids(lost)
        gone = "not there, as when a file or a page is lost"
        why = f"damaged (bytes {offset} to {end})" if what == "event" else gone
        sentence = f"{self.view.named(lost)} {why}: what was not delivered before is lost"
        return _at(segment, offset, end, what=what, sentence=sentence, sequence=lost.start, until=lost.stop, events=ids)

    # --- Index, other files

    def _rows(self, segment: Segment, first: int, keys: dict[int, Key]) -> Iterator[Finding]:
        """Hold the index's rows against a segment's pushes."""
        if self._through is None or not keys:
            return
        rows = self.view.keys(first, self.next)
        wrong = [n for n, key in keys.items() if n < self._through and rows.get(n) != key]
        if wrong:
            count = f"{len(wrong)} pushes from {wrong[0]} on" if len(wrong) > 1 else f"the push at {wrong[0]}"
            sentence = f"the index does not know {count} as they are: stop the daemon, and `boxbridge journal rebuild`"
            yield _at(segment, 0, 0, what="index", sentence=sentence, sequence=wrong[0], until=wrong[-1] + 1)

    def _index(self) -> Iterator[Finding]:
        through, name = self._through, self.view.path.name
        if not self.view.path.exists():
            yield Finding(what="index", file=name, harm=False, sentence="there is none: the next start makes it")
        elif self._index_trouble is not None:
            sentence = f"{self._index_trouble}: stop the daemon, and `boxbridge journal rebuild`"
            yield Finding(what="index", file=name, sentence=sentence)
        elif through is not None and through > self.next:
            lost = range(self.next, through)
            sentence = f"it knows {len(lost)} events from {self.next} on that the segments have not: a segment was lost"
            yield Finding(what="index", file=name, sentence=sentence, sequence=lost.start, until=lost.stop,
                          events=self.view.event_ids(lost))  # fmt: skip
        elif through is not None and through < self.next:
            sentence = f"it is {self.next - through} events behind, and reads on by itself"
            yield Finding(what="index", file=name, sentence=sentence, harm=False)

    def _other_files(self) -> Iterator[Finding]:
        for stray in self._strays:
            if _still_stray(stray):
                sentence = f"{stray.reason}; the next start sets it aside"
                yield Finding(what="foreign", file=stray.path.name, sentence=sentence)
        for path in sorted(self.folder.glob("*.seg.aside*")):
            sentence = "was set aside at an earlier start; delete it when you know what it was"
            yield Finding(what="aside", file=path.name, sentence=sentence, harm=False)


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is that has this name."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _segment(path: Path, header: Header) -> Segment | None:
    try:
        return Segment(path, header)
    except FileNotFoundError:
        return None


def _at(segment: Segment, offset: int, end: int, **said: object) -> Finding:
    return Finding(file=segment.path.name, offset=offset, end=end, **said)  # type: ignore[arg-type]


def _header_copies(segment: Segment) -> Iterator[Finding]:
    try:
        head = segment.read(0, FIRST_RECORD, wait=True)
    finally:
        segment.close()
    if head != encode_header(segment.header):
        sentence = "one of the two copies of its header is damaged; the other does"
        yield _at(segment, 0, FIRST_RECORD, what="header", sentence=sentence)


def _record(segment: Segment, found: Found | Damage) -> Record | None:
    """A push; None where it is damaged."""
    try:
        return Record.found(segment, found) if isinstance(found, Found) else None
    except DecodeError:
        return None


def _state(segment: Segment, found: Found | Damage, kind: int) -> Iterator[Finding]:
    """A record of where outputs stand."""
    try:
        if isinstance(found, Found):
            (decode_state if kind == Kind.STATE else decode_changes)(found.blob)
            return
    except DecodeError:
        pass
    sentence = f"where the outputs stood is damaged (bytes {found.offset} to {found.end}): some events may come again"
    yield _at(segment, found.offset, found.end, what="state", sentence=sentence)


def _no_record(segment: Segment, damage: Damage) -> Finding:
    if damage.torn:
        sentence = f"ends in a group that was never answered (bytes {damage.offset} to {damage.end})"
        return _at(segment, damage.offset, damage.end, what="torn", sentence=sentence, harm=False)
    follows = "no event is missing, some may come again"
    if damage.end >= segment.size and segment.end is None:
        follows = "if a push was answered there, it is lost"
    sentence = f"bytes {damage.offset} to {damage.end} are no record; {follows}"
    return _at(segment, damage.offset, damage.end, what="bytes", sentence=sentence)


def _still_stray(stray: Stray) -> bool:
    """Whether it still is none of ours: what had no header may be what a daemon at work was just beginning."""
    try:
        read_header(stray.path)
    except FileNotFoundError:
        return False
    except NotASegment:
        return True
    return not stray.headless


def _drop_cache(segment: Segment) -> None:
    """Have the disk asked, and not the memory that may hold more than it; and leave that memory to others."""
    try:
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
