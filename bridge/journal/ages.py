"""How old segments are. Only their headers say when they were made, and the clock may have been wrong then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from bridge.journal.segment import Segment


def ends(segments: Sequence[Segment], now: int) -> list[int]:
    """When each segment but the newest was written last, at the latest; times in ms.

    That is when the one after it was made. One that claims to be made before others that lie before it, or in the
    future, was made by a clock that was wrong, as after a boot without one: then what comes next says it.
    """
    made = [segment.header.made if segment.header.made <= now else 0 for segment in segments]
    found, end = [], now
    for own, latest in reversed(list(zip(made, accumulate(made, max), strict=True))[1:]):
        end = own if own and own == latest else end
        found.append(end)
    return found[::-1]
