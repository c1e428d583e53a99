"""Rewriting a segment: chosen records of it, copied as they are, with or without their pictures, in its place.

A segment that was rewritten says in its header where it ends and what is left in it, so that what is missing is known
as let go, and not as lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from bridge.errors import why
from bridge.journal.failpoint import failpoint
from bridge.journal.folder import survey
from bridge.journal.log import Log
from bridge.journal.record import Kind, Prefix, fixed_part
from bridge.journal.segment import FIRST_RECORD, Form, Found, Header, Offsets, Segment, encode_header, file_name
from bridge.journal.tail import sync_folder

log = structlog.get_logger("boxbridge.journal")

_SUFFIX: Final = ".new"

Choice = Callable[[Prefix], bool]
"""Whether a push, by the sequences it takes."""


def rewrite(
    journal_log: Log, segments: Sequence[Segment], keep: Choice, pictures: Choice, form: Form, pins: int
) -> Segment | None:
    """Put what is chosen of a segment, or of several neighbours together, in the place of the first; returns it.

    Not the newest. `pins`: how many dead letters are in it. None where the disk does not let it: nothing has changed
    then. Belongs to the writer's thread; who reads the old file just now goes on with it.
    """
    first, last = segments[0], segments[-1]
    if last.end is None:
        raise ValueError(f"{last.path.name} is the newest segment")
    header = Header(first.header.uuid, first.number, first.base, first.header.made, last.end, form, pins)
    new = first.path.with_suffix(_SUFFIX)
    try:
        failpoint("segment to be rewritten")
        new.unlink(missing_ok=True)
        if left_over := _left_over(journal_log, first):
            _remove(journal_log.folder, left_over)
        offsets = _write(new, header, _chosen(segments, keep, pictures), first.seed)
        rewritten = Segment(new, header, offsets)
        for segment in segments:
            segment.retire()
        failpoint("segment to be replaced")
        new.rename(first.path)
        failpoint("segment replaced")
    except OSError as error:
        log.error("a segment can't be rewritten", file=str(first.path), error=why(error))
        with contextlib.suppress(OSError):
            new.unlink()
        return None
    rewritten.path = first.path
    rewritten.end = last.end
    journal_log.replace(segments, rewritten)
    try:
        _remove(journal_log.folder, [segment.path for segment in segments[1:]])
    except OSError as error:  # nothing is lost by it: the next rewriting of this segment begins with what is left over
        log.error("what was rewritten is not surely on disk yet", file=str(first.path), error=why(error))
    return rewritten


def _chosen(segments: Sequence[Segment], keep: Choice, pictures: Choice) -> Iterator[tuple[Prefix, bytes, bytes]]:
    """(prefix, blob, pictures) of what is to stay; raises OSError where a part can't be read, which may pass."""
    for segment in segments:
        failed = segment.failed_reads
        for found in segment.records():
            if not isinstance(found, Found):
                continue  # damage, named before; nobody is given it again
            prefix = found.prefix
            if prefix.kind != Kind.PUSH:
                yield prefix, found.blob, b""
            elif segment.is_live(prefix.sequence) and keep(prefix):
                size = prefix.tail_size if pictures(prefix) else 0
                yield prefix, found.blob, segment.read(found.offset + prefix.fixed_size, size, wait=True)
        if segment.failed_reads != failed:
            raise OSError(errno.EIO, f"a part of {segment.path.name} can't be read")


def _write(path: Path, header: Header, records: Iterator[tuple[Prefix, bytes, bytes]], seed: int) -> Offsets:
    """Write a whole segment and sync it; returns where its pushes are. Raises OSError."""
    offsets, offset = Offsets(), FIRST_RECORD
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        _put(fd, [encode_header(header)])
        for prefix, blob, pictures in records:
            fixed = fixed_part(prefix.kind, prefix.sequence, prefix.count, blob, len(pictures), seed)
            if prefix.kind == Kind.PUSH:
                offsets.add(prefix.sequence, offset)
            offset += _put(fd, [fixed, pictures])
        os.fdatasync(fd)
    finally:
        os.close(fd)
    return offsets


def _put(fd: int, buffers: list[bytes]) -> int:
    size = sum(map(len, buffers))
    if os.writev(fd, buffers) != size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return size


def _left_over(journal_log: Log, segment: Segment) -> list[Path]:
    """Files whose records are in this segment since it was made of them, and which could not be removed.

    While one of them is there, nothing above it counts in this segment at the next start: nothing more may be put in.
    """
    following = next(one.number for one in journal_log.segments if one.number > segment.number)
    between = range(segment.number + 1, following)
    if not any((journal_log.folder / file_name(number)).exists() for number in between):
        return []
    return [path for path, header in survey(journal_log.folder).segments if header.number in between]


def _remove(folder: Path, merged: Sequence[Path]) -> None:
    """Make names durable, then remove files whose records are in another one now; raises OSError.

    In their order: each that goes makes the records of the next one count there.
    """
    sync_folder(folder)
    for path in merged:
        failpoint("merged segment to be removed")
        path.unlink()
        failpoint("merged segment removed")
        sync_folder(folder)


def remove_unfinished(folder: Path) -> None:
    """Remove what a crash left of a rewriting."""
    with contextlib.suppress(OSError):  # left over, it does no harm
        for path in folder.glob(f"*{_SUFFIX}"):
            path.unlink()
