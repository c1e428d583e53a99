"""What became of one event, read back: its troubles from the index, its successes from the log itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import DecodeError

from bridge.journal.log import Log
from bridge.journal.record import Change, Kind, OutputEntry, decode_changes, decode_state
from bridge.journal.segment import FIRST_RECORD, Found, Segment


def deliveries(log: Log, sequence: int, outputs: Iterable[OutputEntry], replayed: Iterable[int]) -> list[Change]:
    """The successes of an event with these outputs, as they stand now; may wait for the disk. Raises OSError.

    `replayed`: when it was opened again (ms). Where the state at a segment's head has an event unsettled, and the next
    one has it settled, there its end is written, or right behind that next state, which tells what is in memory: only
    these segments are read through.
    """
    now: dict[int, bool | None] = {entry.number: not _is_unsettled(entry, sequence) for entry in outputs}
    first = log.segment_of(sequence)
    segments = [segment for segment in log.segments if first is not None and segment.number >= first.number]
    heads = [_settled_at_head(segment, sequence, now) for segment in segments]
    found: list[Change] = []
    follows = False
    for segment, (before, after) in zip(segments, pairwise([*heads, now]), strict=True):
        ended = any(after[number] is not False and before[number] is not True for number in now)
        ended = ended or any(_was_open(segment, segments, when) for when in replayed)
        if ended or follows:
            found += (change for change in _changes(segment) if change.sequence == sequence and change.output in now)
        follows = ended
    return [change for change in found if change.outcome == "delivered"]


def _is_unsettled(entry: OutputEntry, sequence: int) -> bool:
    return sequence >= entry.next or any(open_.sequence == sequence for open_ in entry.open)


def _settled_at_head(segment: Segment, sequence: int, outputs: Iterable[int]) -> dict[int, bool | None]:
    """Whether each output was done with an event when the segment was begun; None where its state is damaged."""
    head = segment.record_at(FIRST_RECORD, wait=True)
    _leave(segment)
    if isinstance(head, Found) and head.prefix.kind == Kind.STATE:
        with contextlib.suppress(DecodeError):
            entries = {entry.number: entry for entry in decode_state(head.blob).outputs}
            return {n: n in entries and not _is_unsettled(entries[n], sequence) for n in outputs}
    return dict.fromkeys(outputs)


def _was_open(segment: Segment, segments: list[Segment], when: int) -> bool:
    """Whether a segment was the newest one at a time, or the one before it."""
    following = next((other for other in segments if other.number > segment.number), None)
    return segment.header.made <= when and (following is None or when <= following.header.made)


def _changes(segment: Segment) -> Iterator[Change]:
    for found in segment.records():
        if isinstance(found, Found) and found.prefix.kind == Kind.CHANGES:
            try:
                yield from decode_changes(found.blob).changes
            except DecodeError:
                continue  # named at the start
    _leave(segment)


def _leave(segment: Segment) -> None:
    """Keep no descriptor of an old segment: there may be more of them than a process may have files open."""
    if segment.end is not None:
        segment.close()
