"""One push as it lies in the log: its record, its events, and where the bytes of its pictures come from."""

from __future__ import annotations

import errno
from functools import cached_property, partial
from typing import Final

from bridge.event import Event, Picture, PictureLost, PictureSource, decode_document
from bridge.journal.record import PictureEntry, PushBlob, decode_push, is_picture
from bridge.journal.segment import Found, Segment, WouldBlock
from bridge.output import Original
from bridge.threads import Threads

READERS: Final = Threads("journal-read", 4)
"""Nobody else's: what an output waits for in threads of the loop's own, such as name look-ups, must not hold reads."""


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
            return await READERS.run(partial(self._get, sha256, wait=True))

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
