"""Taking events out of a journal's files: documents, pictures and requests as files of their own. It only reads."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct

from bridge.errors import FileTrouble
from bridge.event import PictureLost
from bridge.journal.folder import INDEX, survey
from bridge.journal.log import Log, Lost
from bridge.journal.push import Record
from bridge.journal.record import EventEntry, from_milliseconds
from bridge.journal.segment import Segment
from bridge.journal.view import Facts, IndexView

Put = Callable[[str, bytes, int], None]
"""Writes one file: its name, its bytes, and when it was received (ms)."""
_TAR: Final = ".tar"
_OTHER_ARCHIVES: Final = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip", ".7z")


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events are taken, and what of them."""

    since: int = 0
    """Received at or after that (ms),"""
    until: int = 0
    """and before this; 0: no end."""
    devices: frozenset[str] = frozenset()
    """Names that the device has; none: any device."""
    kind: str | None = None
    originals: bool = False
    """Also the requests that they came in."""

    def has(self, event: Facts) -> bool:
        """Whether an event is wanted."""
        in_time = self.since <= event.received and (not self.until or event.received < self.until)
        return in_time and (not self.devices or event.device in self.devices) and self.kind in (None, event.kind)


class Export:
    """One walk through the files of a journal, as they are when it begins."""

    def __init__(self, folder: Path, wanted: Wanted, zone: tzinfo) -> None:
        """`zone`: by its days the files are ordered. Raises NewerFormat and OSError."""
        self._log = Log(folder)
        self._view = IndexView(folder / INDEX)
        for path, header in survey(folder).segments:
            self._log.add(Segment(path, header))
        self._wanted = wanted
        self._zone = zone
        self.events = self.pictures = 0
        """How many were taken."""

    @property
    def bytes(self) -> int:
        """Bytes of all segments."""
        return self._log.bytes_on_disk()

    def run(self, put: Put, progress: Callable[[int], None] = lambda _: None) -> Iterator[str]:
        """Take out what is wanted; yields a sentence for each thing that is damaged and passed over. Raises OSError."""
        try:
            for entry in self._log.pushes(self._log.first):
                if isinstance(entry, Lost):
                    yield from self._lost(entry)
                else:
                    yield from self._push(entry, put)
                    progress(entry.size)
        finally:
            self._log.close()

    def _lost(self, lost: Lost) -> Iterator[str]:
        segment = next(one for one in reversed(self._log.segments) if one.base <= lost.sequence)
        if segment.path.exists():  # else every output was done with it meanwhile
            sequences = range(lost.sequence, lost.until)
            if self._may_be_wanted(sequences):
                yield f"{segment.path.name}: {self._view.named(sequences)} damaged or missing: passed over"

    def _may_be_wanted(self, lost: range) -> bool:
        """Whether some of these are wanted, or are unknown to the index."""
        known = self._view.facts(lost)
        return len(known) < len(lost) or any(map(self._wanted.has, known))

    def _push(self, record: Record, put: Put) -> Iterator[str]:
        for place, entry in enumerate(record.blob.events):
            if self._wanted.has(Facts(entry.device, entry.kind, record.blob.received)):
                yield from self._event(record, record.sequence + place, entry, put)

    def _event(self, record: Record, sequence: int, entry: EventEntry, put: Put) -> Iterator[str]:
        received = record.blob.received
        name = f"{from_milliseconds(received).astimezone(self._zone):%Y-%m-%d}/{entry.id}"
        put(f"{name}.json", entry.document, received)
        self.events += 1
        try:
            event = record.event(sequence)
            pictures = event.pictures if event and record.has_pictures else ()
        except DecodeError as error:
            yield f"event {entry.id}: its document can't be understood ({error}): taken as it is, without pictures"
            return
        for number, picture in enumerate(pictures):
            try:
                data = picture.read_blocking()
            except (PictureLost, OSError) as error:
                yield f"event {entry.id}: {error}: taken without it"
            else:
                put(f"{name}.picture{number}.{picture.extension}", data, received)
                self.pictures += 1
        if self._wanted.originals:
            try:
                data = record.original().read_blocking()
            except (PictureLost, OSError):
                yield f"event {entry.id}: its request can't be made whole: taken without it"
            else:
                put(f"{name}.original", data, received)


@contextmanager
def target(path: Path) -> Iterator[Put]:
    """A folder, or an archive where the name ends in .tar, that has its name only once all is in it.

    Raises FileTrouble where something is there already, or another kind of archive is named.
    """
    if path.suffix.lower() in _OTHER_ARCHIVES:
        raise FileTrouble(f"{path}: of archives only .tar is written, since pictures are compressed as they are")
    part = path.with_name(path.name + ".part")
    for place in (path, part):
        if place.exists():
            raise FileTrouble(f"{place} is there already: move it away, or name another")
    try:
        if path.suffix.lower() == _TAR:
            with tarfile.open(part, "x") as tar:
                yield partial(_into_tar, tar)
        else:
            part.mkdir()
            yield partial(_into_folder, part)
        part.rename(path)
    except BaseException:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
        raise


def _into_folder(folder: Path, name: str, data: bytes, _when: int) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def _into_tar(tar: tarfile.TarFile, name: str, data: bytes, when: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), when // 1000, 0o640
    tar.addfile(member, io.BytesIO(data))
