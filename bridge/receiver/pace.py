"""The pace that whatever is received must keep: it grows at a least rate, and ends some time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bridge.receiver.alarm import Alarm, nobody

SPAN_SECONDS: Final = 20.0
"""In each span of this length it must grow by `RATE` bytes a second."""
RATE: Final = 500
GRACE_SECONDS: Final = 120.0
BYTES_A_SECOND: Final = 10_000
"""It may take so many seconds in all, and one more for each so many bytes that came: 280 kB within 150 s pass."""


class Pace:
    """Watches one body or message after the other; `too_slow` is called where one falls behind."""

    def __init__(self, loop: asyncio.AbstractEventLoop, too_slow: Callable[[], None]) -> None:
        self.running = False
        self._loop = loop
        self._too_slow = too_slow
        self._began = 0.0
        self._bytes = self._bytes_before = 0
        self._alarm = Alarm(loop, self._check)

    def begin(self) -> None:
        """The next one is due."""
        self.running = True
        self._bytes = self._bytes_before = 0
        self._began = self._loop.time()
        self._alarm.set(SPAN_SECONDS)

    def grow(self, size: int) -> None:
        """So many bytes of it came."""
        self._bytes += size

    def end(self) -> None:
        """It is whole, or nobody waits for it any more."""
        self.running = False
        self._alarm.unset()

    def close(self) -> None:
        """No other will be due: nothing holds on to this any more, and this to nobody."""
        self._too_slow = nobody
        self.running = False
        self._alarm.close()

    def _check(self) -> None:
        grown, self._bytes_before = self._bytes - self._bytes_before, self._bytes
        most_seconds = GRACE_SECONDS + self._bytes / BYTES_A_SECOND
        if grown < RATE * SPAN_SECONDS or self._loop.time() - self._began > most_seconds:
            self._too_slow()
            return
        self._alarm.set(SPAN_SECONDS)
