"""The start: what the files of a journal prove, whatever state a crash, a power cut or rot left them in."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import structlog
from msgspec import DecodeError, Struct

from bridge.journal.cursor import State
from bridge.journal.index import Foreign, Index, PushRow, push_row
from bridge.journal.log import Log, Lost
from bridge.journal.record import (
    PREFIX_SIZE,
    Kind,
    OutputEntry,
    StateBlob,
    decode_changes,
    decode_push,
    decode_state,
)
from bridge.journal.segment import Damage, Found, Header, NotASegment, Segment, read_header

log = structlog.get_logger("boxbridge.journal")

_REBUILD_ROWS = 2_000


class Proven(Struct, frozen=True):
    """What the start found."""

    uuid: bytes
    next_number: int
    outputs: list[OutputEntry]
    salvage: list[tuple[Segment, Found]]
    """Sound records that are read but not surely on disk: to be written again before anything is answered."""


def recover(journal_log: Log) -> Proven:
    """Read the segments of the log's folder into the log; raises NewerFormat or OSError, never for damage."""
    headers = _headers(journal_log.folder)
    uuids = Counter(header.uuid for _, header in headers)
    uuid = uuids.most_common(1)[0][0] if uuids else os.urandom(16)
    for path, header in headers:
        if header.uuid == uuid:
            journal_log.add(Segment(path, header))
        else:
            set_aside(path, "it belongs to another journal")
    journal_log.next = journal_log.segments[-1].base if journal_log.segments else 1
    salvage = _read_newest(journal_log) if journal_log.segments else []
    state = _state(journal_log)
    return Proven(uuid, state.next_number, state.outputs(), salvage)


def _headers(folder: Path) -> list[tuple[Path, Header]]:
    found = []
    for path in sorted(folder.glob("*.seg")):
        try:
            found.append((path, read_header(path)))
        except NotASegment as error:
            set_aside(path, str(error))
    return sorted(found, key=lambda pair: pair[1].number)


def set_aside(path: Path, reason: str) -> None:
    """Rename a file that is not ours to read, once, so that it is neither lost nor reported for ever."""
    aside = path.with_name(path.name + ".aside")
    log.error("a file of the journal is set aside", file=str(path), to=aside.name, reason=reason)
    path.rename(aside)


def _read_newest(journal_log: Log) -> list[tuple[Segment, Found]]:
    """Prove the newest segment in full, pictures too: only it can end in a torn group."""
    newest = journal_log.segments[-1]
    synced = _sync_and_drop_cache(newest)
    sound: list[tuple[Segment, Found]] = []
    for found in newest.records():
        if isinstance(found, Found) and found.prefix.kind == Kind.PUSH and _pictures_are_sound(newest, found):
            sound.append((newest, found))
            journal_log.next = max(journal_log.next, found.prefix.sequence + found.prefix.count)
    if synced:
        return []
    # The disk would not take what it has: the next segment begins where this one did and gets what was proven.
    journal_log.next = newest.base
    return sound


def _sync_and_drop_cache(segment: Segment) -> bool:
    """Make sure that what is read is what the disk has: after a failed sync the page cache holds more than it."""
    fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            os.fdatasync(fd)
            synced = True
        except OSError as error:
            log.error("the newest segment can't be synced; copying what it holds", file=str(segment.path), error=error)
            synced = False
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
    return synced


def _pictures_are_sound(segment: Segment, found: Found) -> bool:
    """Whether the pictures of a push are whole; a tear can lie inside one."""
    try:
        entries = decode_push(found.blob).pictures
        offset = found.offset + PREFIX_SIZE + found.prefix.blob_size
        for entry in entries:
            if crc32(segment.read(offset, entry.size, wait=True)) != entry.checksum:
                return False
            offset += entry.size
    except (DecodeError, OSError):
        return False
    return True


def _state(journal_log: Log) -> State:
    """Where the outputs stand: the newest whole state, and all changes after it."""
    empty = State(StateBlob(1, ()))
    for place in range(len(journal_log.segments) - 1, -1, -1):
        state: State | None = None
        for segment in journal_log.segments[place:]:
            state = _read_state(segment, state)
        if state is not None:
            return state
        log.error("a segment's state is damaged; reading the one before", file=str(journal_log.segments[place].path))
    return empty


def _read_state(segment: Segment, state: State | None) -> State | None:
    for found in segment.records():
        if isinstance(found, Damage):
            continue
        try:
            if found.prefix.kind == Kind.STATE:
                state = State(decode_state(found.blob))
            elif found.prefix.kind == Kind.CHANGES and state is not None:
                state.apply(decode_changes(found.blob))
        except DecodeError as error:
            log.error("a state record can't be read", file=str(segment.path), offset=found.offset, error=str(error))
    return state


def bring_index_up_to_date(journal_log: Log, index: Index, progress: Callable[[int], Any]) -> None:
    """Hold the index against the log: behind, it reads on; foreign or damaged, it is made again; ahead, an alarm.

    Trouble with the index never stops the start: the writer tries again. `progress` gets the sequence reached.
    """
    try:
        try:
            index.open()
        except Foreign as error:
            log.warning("the index is made again from the log", file=str(index.path), reason=str(error))
            index.set_aside()
            index.open()
        if index.through > journal_log.next:
            lost = index.through - journal_log.next
            log.error("ALARM: the index knows events that the log has not: a segment was lost", events=lost)
            journal_log.next = index.through
        _read_on(journal_log, index, progress)
    except (sqlite3.Error, OSError) as error:
        log.error("the index can't be used; events are taken and delivered without it", error=str(error))
        index.close()


def _read_on(journal_log: Log, index: Index, progress: Callable[[int], Any]) -> None:
    rows: list[PushRow] = []
    for record in journal_log.pushes(max(index.through, journal_log.first)):
        if isinstance(record, Lost):
            log.error("events are damaged or missing", sequence=record.sequence, count=record.until - record.sequence)
            continue
        rows.append(push_row(record.sequence, record.blob))
        if len(rows) >= _REBUILD_ROWS:
            index.add(rows, record.sequence + record.count)
            index.checkpoint_when_large()
            rows.clear()
            progress(record.sequence)
    index.add(rows, journal_log.next)
