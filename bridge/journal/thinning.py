"""Thinning: segments that can't be deleted yet, or live on without pictures, are made small; small ones become one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import structlog

from bridge.journal.ages import ends
from bridge.journal.cursor import Cursor
from bridge.journal.log import Log
from bridge.journal.record import Prefix
from bridge.journal.replay import Replay
from bridge.journal.retention import Keep
from bridge.journal.rewrite import rewrite
from bridge.journal.segment import Form, Segment

log = structlog.get_logger("boxbridge.journal")

_MERGE: Final = 16
"""So many small neighbours become one; small is that part of a whole segment. So no record is copied often."""


class Thinning:
    """One look at all segments but the newest, for what to take out of them."""

    def __init__(self, journal_log: Log, cursors: list[Cursor], keep: Keep, replays: Sequence[Replay] = ()) -> None:
        self._log = journal_log
        self._keep = keep
        places = [*(cursor.passed for cursor in cursors), *(replay.low for replay in replays)]
        self._passed = min(places, default=journal_log.next)
        """Below it every output has all but its dead letters, and every replay what it was asked for."""
        self._pins = sorted(set().union(*(cursor.pinned() for cursor in cursors)))

    def thin(self, age_since: int, short: int) -> int:
        """Take out what is no longer to be kept; returns how many segments were rewritten.

        `age_since`: from when (ms) age counts, which is now; or 0 where the clock is not sure. `short`: so many bytes
        are wanted; without them one segment at a time is enough, since pushes wait meanwhile.
        """
        done = 0
        segments = self._log.segments
        for (segment, following), ended in zip(pairwise(segments), ends(segments, age_since), strict=True):
            if following.base > self._passed:
                break
            form = self._form(age_since - ended if age_since else -1, short)
            if form is Form.WHOLE:
                break
            pins = self._pins_in(segment)
            if not _is_due(segment, form, pins):
                continue
            freed = self._rewrite(segment, form, pins)
            if freed is None:
                return done
            done += 1
            short -= freed
            if short <= 0:
                return done
        if short > 0 and self._keep.when_full == "shed_pictures":
            done += self._shed(short)
        return done

    def _form(self, age: int, short: int) -> Form:
        settled, history = self._keep.settled * 1000, self._keep.history * 1000
        if short > 0 or age >= max(settled, history):
            return Form.PINNED
        return Form.HISTORY if age >= settled else Form.WHOLE

    def _shed(self, short: int) -> int:
        """Take pictures out that nobody has yet, the oldest first."""
        done = 0
        for segment in self._log.segments[:-1]:
            if short <= 0:
                break
            if segment.header.form >= Form.SHED:
                continue
            freed = self._rewrite(segment, Form.SHED, 0)
            if freed is None:
                break
            log.warning("pictures were shed, since the journal is full", first=segment.base, until=segment.end,
                        bytes=freed)  # fmt: skip
            short -= freed
            done += 1
        return done

    def _rewrite(self, segment: Segment, form: Form, pins: int) -> int | None:
        """Returns how many bytes it freed; None where it could not be done."""

        def is_pinned(prefix: Prefix) -> bool:
            place = bisect_left(self._pins, prefix.sequence)
            return place < len(self._pins) and self._pins[place] < prefix.until

        def always(_: Prefix) -> bool:
            return True

        def never(_: Prefix) -> bool:
            return False

        keep = is_pinned if form is Form.PINNED else always
        pictures = never if form is Form.SHED else is_pinned
        rewritten = rewrite(self._log, [segment], keep, pictures, form, pins)
        return None if rewritten is None else segment.size - rewritten.size

    def _pins_in(self, segment: Segment) -> int:
        end = segment.end if segment.end is not None else self._log.next
        return bisect_left(self._pins, end) - bisect_left(self._pins, segment.base)


def _is_due(segment: Segment, form: Form, pins: int) -> bool:
    header = segment.header
    return form > header.form or (form == header.form and pins < header.pins)


def merge(journal_log: Log, segment_bytes: int) -> int:
    """Make one of many small neighbours that were rewritten, where there are some; returns how many went into it."""
    run: list[Segment] = []
    for segment in journal_log.segments[:-1]:
        is_small = segment.header.form is not Form.WHOLE and segment.size < segment_bytes // _MERGE
        if not is_small or (run and run[0].header.form != segment.header.form):
            run = []
        if is_small:
            run.append(segment)
        if len(run) == _MERGE:
            pins = sum(one.header.pins for one in run)
            merged = rewrite(journal_log, run, lambda _: True, lambda _: True, Form(run[0].header.form), pins)
            return len(run) if merged else 0
    return 0
