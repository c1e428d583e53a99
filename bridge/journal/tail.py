"""The open end of the log: the one segment that is written, until it is full or anything at all goes wrong with it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from bridge.figures import Histogram
from bridge.journal.cursor import now_ms
from bridge.journal.failpoint import failpoint
from bridge.journal.log import Log
from bridge.journal.record import Kind, StateBlob, fixed_part, pack, seed
from bridge.journal.segment import GROUP_ALIGNMENT, Found, Header, Offsets, Segment, encode_header, file_name
from bridge.journal.spare import Spare, give_back

_CACHED: Final = 12_000_000
"""Bytes at the end of the newest segment that stay in the kernel's cache, for outputs that lag a little."""
_CACHE_STEP: Final = 4_194_304
_WRITEV_BUFFERS: Final = 1000
"""The kernel takes 1,024 at a time."""


class Limits(Struct, frozen=True, kw_only=True):
    """Sizes that tests make tiny."""

    segment_bytes: int = 64_000_000
    alignment: int = GROUP_ALIGNMENT
    spare_bytes: int = 4_000_000


class Unsynced(Struct, frozen=True):
    """A segment whose end the disk would not sync: what is sound in it is written again before anything else."""

    segment: Segment
    sound: Sequence[Found]


class FailedWrite(Exception):
    """A group is not on disk, or not surely."""


class Tail:
    """The newest segment, for appending. Belongs to the writer's thread."""

    def __init__(self, journal_log: Log, uuid: bytes, limits: Limits, unsynced: Unsynced | None) -> None:
        self.sync_seconds = Histogram()
        self.last_sync_seconds = 0.0
        self.written = 0
        """Bytes written since the start."""
        self.synced_at = 0
        """When something was last brought to disk (ms)."""
        self.spare = Spare(journal_log.folder, limits.spare_bytes)
        """What the next segment is made of."""
        self._log = journal_log
        self._uuid = uuid
        self._limits = limits
        self._unsynced = unsynced
        self._fd = -1
        self._offset = 0
        self._uncached = 0

    @property
    def offset(self) -> int:
        """Where the next group begins."""
        return self._offset

    def begin(self, state: StateBlob) -> None:
        """Begin the next segment, with the whole state at its head.

        Raises FailedWrite; then nothing can be appended until it has been called again with success. The segment
        before is never appended to again either way: all in it from the new one's base on is dead.
        """
        self.close()
        base = self._unsynced.segment.base if self._unsynced else self._log.next
        left_over: Path | None = None
        try:
            number = _next_number(self._log.folder)
            header = Header(self._uuid, number, base, now_ms())
            path = self._log.folder / file_name(number)
            failpoint("segment numbered")
            left_over = self.spare.path
            self._fd = self.spare.take()
            failpoint("segment created")
            self._offset = self._uncached = 0
            head = fixed_part(Kind.STATE, base, 0, pack(state), 0, seed(self._uuid, number))
            self._put([encode_header(header), head])
            failpoint("segment head written")
            offsets = self._copy_unsynced(seed(self._uuid, number))
            self._put([], pad=True)
            failpoint("segment written")
            self._sync()
            failpoint("segment synced")
            # Whole or not at all: by its base it makes the segment whose records it takes over a dead one.
            self.spare.path.rename(path)
            left_over = path
            failpoint("segment named")
            sync_folder(self._log.folder)
            failpoint("segment name synced")
            segment = Segment(path, header, offsets)
        except (FailedWrite, OSError) as error:
            self.close()
            with contextlib.suppress(OSError):  # nothing was answered from it: left over, it would be dead
                failpoint("failed segment to be removed")
                if left_over is not None:
                    left_over.unlink()
            raise FailedWrite(f"no new segment can be begun: {_reason(error)}") from error
        segment.blank = self._unsynced is None
        self._unsynced = None
        self._log.add(segment)
        self._drop_blank()
        self.spare.make()

    def append(self, buffers: list[bytes]) -> None:
        """Write a group, padded, and sync it; raises FailedWrite, and then nothing more can be appended here."""
        try:
            self._put(buffers, pad=True)
            failpoint("group written")
            self._sync()
            failpoint("group synced")
        except (FailedWrite, OSError) as error:
            self.close()
            raise FailedWrite(_reason(error)) from error
        segment = self._log.segments[-1]
        segment.size = self._offset
        segment.blank = False

    def close(self) -> None:
        """Append no more to this file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            if self._offset < self.spare.size:
                give_back(fd)
            with contextlib.suppress(OSError):  # what counts in it has been synced
                os.close(fd)

    def _put(self, buffers: list[bytes], *, pad: bool = False) -> None:
        """Write; near a full disk a part of it may be written without an error."""
        if self._fd < 0:
            raise FailedWrite("no segment is open")
        if pad:
            size = sum(map(len, buffers))
            buffers = [*buffers, bytes(-(self._offset + size) % self._limits.alignment)]
        for start in range(0, len(buffers), _WRITEV_BUFFERS):
            part = buffers[start : start + _WRITEV_BUFFERS]
            size = sum(map(len, part))
            written = os.writev(self._fd, part)
            self._offset += written
            self.written += written
            if written != size:
                failpoint("short write to be cut off")
                with contextlib.suppress(OSError):  # all of it is dead; only the room is wanted back
                    os.ftruncate(self._fd, self._offset - written)
                raise FailedWrite(f"only {written} of {size} bytes could be written: the disk is full")

    def _sync(self) -> None:
        before = time.perf_counter()
        os.fdatasync(self._fd)
        if not os.fstat(self._fd).st_nlink:
            raise FailedWrite("its file was deleted, or moved to another disk")
        self.last_sync_seconds = time.perf_counter() - before
        self.sync_seconds.observe(self.last_sync_seconds)
        self.synced_at = now_ms()

    def uncache(self) -> None:
        """Let what was written a while ago leave the kernel's cache; it takes time, so who waits is answered first.

        Nobody who keeps up reads it again, and on a small host others need the memory. It also makes writing cheaper:
        pages that were just given back are used again (measured on a virtual machine: a fifth of a push's CPU time).
        """
        if self._offset - self._uncached > _CACHED + _CACHE_STEP:
            with contextlib.suppress(OSError):  # advice may be declined
                os.posix_fadvise(self._fd, self._uncached, _CACHE_STEP, os.POSIX_FADV_DONTNEED)
            self._uncached += _CACHE_STEP

    def _copy_unsynced(self, seed: int) -> Offsets:
        """Write what is sound in a segment that could not be synced again, under its own sequences."""
        offsets = Offsets()
        if self._unsynced is None:
            return offsets
        for found in self._unsynced.sound:
            prefix = found.prefix
            pictures = self._unsynced.segment.read(found.offset + prefix.fixed_size, prefix.tail_size, wait=True)
            failpoint("unsynced record to be copied")
            offsets.add(prefix.sequence, self._offset)
            self._put([fixed_part(Kind.PUSH, prefix.sequence, prefix.count, found.blob, len(pictures), seed), pictures])
        return offsets

    def _drop_blank(self) -> None:
        """Remove the segment before, if it held nothing but its state: starts and faults must not pile up files."""
        *_, before, newest = [None, *self._log.segments]
        if before and newest and before.blank and before.base == newest.base:
            self._log.drop(before)
            with contextlib.suppress(OSError):  # left over, it does no harm
                failpoint("blank segment to be removed")
                before.path.unlink()


def _next_number(folder: Path) -> int:
    names = (Path(name) for name in os.listdir(folder))  # noqa: PTH208 - it says when it can't; glob finds nothing then
    return max((int(name.stem) for name in names if name.suffix == ".seg" and name.stem.isdecimal()), default=0) + 1


def _reason(error: FailedWrite | OSError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
