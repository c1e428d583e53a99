"""The start: what the files of a journal prove, whatever state a crash, a power cut or rot left them in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import DecodeError, Struct

from bridge.errors import why
from bridge.journal.cursor import State
from bridge.journal.failpoint import failpoint
from bridge.journal.folder import survey
from bridge.journal.log import Log
from bridge.journal.record import (
    PREFIX_SIZE,
    Kind,
    OutputEntry,
    ReplayEntry,
    StateBlob,
    decode_changes,
    decode_push,
    decode_state,
    is_picture,
)
from bridge.journal.segment import Damage, Found, Segment
from bridge.journal.tail import Unsynced

log = structlog.get_logger("boxbridge.journal")

_AGAIN_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""How long is waited before a segment is read again that the disk did not give in full; a bad sector stays bad."""


class Proven(Struct, frozen=True):
    """What the start found."""

    uuid: bytes
    next_number: int
    outputs: list[OutputEntry]
    replays: list[ReplayEntry]
    all_outputs: bool
    """Whether no output can be missing: else one that looks new may be an old one."""
    unsynced: Unsynced | None


def recover(journal_log: Log) -> Proven:
    """Read the segments of the log's folder into the log; raises NewerFormat or OSError, never for damage."""
    failpoint("start")
    found = survey(journal_log.folder)
    failpoint("headers read")
    for stray in found.strays:
        set_aside(stray.path, stray.reason)
    for path, header in found.segments:
        journal_log.add(Segment(path, header))
    uuid = found.uuid or os.urandom(16)
    if not journal_log.segments:
        return Proven(uuid, 1, [], [], all_outputs=True, unsynced=None)
    journal_log.next, unsynced = _read_newest(journal_log.segments[-1])
    failpoint("newest segment read")
    state, complete = _state(journal_log.segments)
    failpoint("state read")
    return Proven(uuid, state.next_number, state.outputs(), state.replays(), complete, unsynced)


def set_aside(path: Path, reason: str) -> None:
    """Rename a file that is not ours to read, once, so that it is neither lost nor reported for ever."""
    aside = path.with_name(path.name + ".aside")
    copies = 1
    while aside.exists():
        copies += 1
        aside = path.with_name(f"{path.name}.aside{copies}")
    log.error("a file of the journal is set aside", file=str(path), to=aside.name, reason=reason)
    try:
        failpoint("file to be set aside")
        path.rename(aside)
    except OSError as error:
        log.warning("it could not be renamed, and is left alone", file=str(path), error=why(error))


class _Reading(Struct, frozen=True):
    """What the newest segment gave."""

    next: int
    """The sequence behind its last record."""
    blank: bool
    sound: list[Found]
    damage: list[dict[str, Any]]
    torn: dict[str, Any]
    """What it ends in that was never answered, if anything."""


def _read_newest(newest: Segment) -> tuple[int, Unsynced | None]:
    """Prove the newest segment in full: only it can end in a torn group. Returns the sequence behind its last record.

    What the disk does not give is asked for again: what is called damage here is given up for good.
    """
    synced = _sync_and_drop_cache(newest)
    failpoint("newest segment synced")
    waits = iter(_AGAIN_SECONDS)
    while True:
        failed = newest.failed_reads
        reading = _prove(newest, keep=not synced)
        seconds = next(waits, None)
        if newest.failed_reads == failed or seconds is None:
            break
        log.warning("the newest segment can't be read, trying again", file=str(newest.path), seconds=seconds)
        time.sleep(seconds)
    if reading.torn:
        log.info("a write was cut short; nothing of it was answered", file=str(newest.path), **reading.torn)
    for damage in reading.damage:
        log.error("damage in the newest segment", file=str(newest.path), **damage)
    newest.blank = reading.blank
    return reading.next, None if synced else Unsynced(newest, reading.sound)


def _prove(newest: Segment, *, keep: bool) -> _Reading:
    """Read it once, and keep its sound records where they are wanted.

    A record that runs past the end of the file is torn: its push was never answered. Any other that is damaged may
    have been answered, and keeps its sequence, so that it is named as lost.
    """
    failed, unknown = newest.failed_reads, 0
    next_ = max(newest.base, newest.header.limit)
    blank = True
    sound: list[Found] = []
    damage: list[dict[str, Any]] = []
    torn: dict[str, Any] = {}
    for found in newest.records():
        prefix = found.prefix
        if prefix is None or not isinstance(found, Found):
            blank = False
            place = {"offset": found.offset, "end": found.end}
            if isinstance(found, Damage) and found.torn:
                torn = place
            else:
                damage.append(place)
        unknown = found.end - found.offset if prefix is None else 0
        if prefix is None:
            continue
        blank = blank and prefix.kind == Kind.STATE
        # All below a record's sequence was on disk before it was written; no output that it names has taken more.
        next_ = max(next_, prefix.until)
        if isinstance(found, Found) and prefix.kind == Kind.PUSH:
            damage += _damaged_pictures(newest, found)
            if keep:
                sound.append(found)
    if newest.failed_reads != failed:
        # What the disk does not give now it may give later: nothing new may have the number of what was answered.
        next_ += unknown // PREFIX_SIZE
    return _Reading(next_, blank, sound, damage, torn)


def _sync_and_drop_cache(segment: Segment) -> bool:
    """Make sure that what is read is what the disk has: after a failed sync the page cache holds more than it."""
    fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            os.fdatasync(fd)
            synced = True
        except OSError as error:
            log.error("the newest segment can't be synced; what it holds is written again", file=str(segment.path),
                      error=why(error))  # fmt: skip
            synced = False
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
    return synced


def _damaged_pictures(segment: Segment, found: Found) -> Iterator[dict[str, Any]]:
    """Read the pictures too; the event of one that is damaged lives on."""
    try:
        entries = decode_push(found.blob).pictures
    except DecodeError:
        return
    offset = found.offset + found.prefix.fixed_size
    for entry in entries:
        if not is_picture(segment.read(offset, entry.size, wait=True), entry):
            yield {"offset": offset, "end": offset + entry.size, "picture": entry.sha256}
        offset += entry.size


def _state(segments: list[Segment]) -> tuple[State, bool]:
    """Where the outputs stand: the newest whole state and all changes after it; and whether that was the newest."""
    for place in range(len(segments) - 1, -1, -1):
        state: State | None = None
        for segment in segments[place:]:
            state = _read_state(segment, state)
        if state is not None:
            return state, place == len(segments) - 1
        log.error("a segment's state is damaged; reading the one before", file=str(segments[place].path))
    log.error("ALARM: where the outputs stood is lost: each begins anew with the oldest event")
    return State(StateBlob(1, ())), False


def _read_state(segment: Segment, state: State | None) -> State | None:
    """The state after this segment, from the one before it; None where neither is known."""
    for found in segment.records():
        if not isinstance(found, Found):
            continue
        try:
            if found.prefix.kind == Kind.STATE:
                state = State(decode_state(found.blob))
            elif found.prefix.kind == Kind.CHANGES and state is not None:
                state.apply(decode_changes(found.blob))
        except DecodeError as error:
            log.error("a state record can't be read", file=str(segment.path), offset=found.offset, error=why(error))
    return state
