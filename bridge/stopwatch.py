"""For how long code of others held the event loop.

What the loop's thread is kept waiting for a CPU meanwhile is not counted: on a machine that has too much to do, code
that does nothing wrong would be blamed for it.
"""

from __future__ import annotations

import os
import time
from typing import Final

HELD_SECONDS: Final = 0.1
"""Whoever holds the event loop longer than this in one go is named."""

_MOMENT: Final = 0.01
"""So old may be what was last known of the waits when a step begins: asking takes longer than many a step."""
_SCHEDULING: Final = "/proc/thread-self/schedstat"
"""Nanoseconds for which this thread ran, and for which it was kept waiting for a CPU."""


class Stopwatch:
    """How long each of somebody's steps held the loop, for the loop's own thread."""

    def __init__(self) -> None:
        self._looked = self._waited = 0.0

    def start(self) -> float:
        """A step begins, at the time that is returned."""
        now = time.perf_counter()
        if now - self._looked > _MOMENT:
            self._looked, self._waited = now, _waited_for_cpu()
        return now

    def held(self, began: float) -> float:
        """Seconds for which a step that ends now held the loop; 0 where that is not worth a word."""
        seconds = time.perf_counter() - began
        if seconds > HELD_SECONDS:
            seconds -= max(0.0, _waited_for_cpu() - self._waited)
        return seconds if seconds > HELD_SECONDS else 0.0


def _waited_for_cpu() -> float:
    """Seconds for which this thread was ready to run and had no CPU; 0 where the kernel does not keep that."""
    try:
        descriptor = os.open(_SCHEDULING, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0.0
    try:
        _, waited, _ = os.read(descriptor, 100).split()
    finally:
        os.close(descriptor)
    return int(waited) / 1e9
