"""A time limit that is put off far more often than it is reached: a timer of the loop for each would cost too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_NEVER: Final = float("inf")


def nobody() -> None:
    """Who is called in place of one who was let go."""


class Alarm:
    """Calls once its time has come. Its timer stays as it was set: when it goes off, it looks what counts by then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._due = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._goes_off = _NEVER
        """When the timer does."""

    @property
    def is_set(self) -> bool:
        """Whether it is to call some time."""
        return self._due < _NEVER

    def set(self, seconds: float) -> None:
        """Call in so many seconds; what was set before counts no more."""
        self._due = self._loop.time() + seconds
        if self._due < self._goes_off:
            self._start()

    def unset(self) -> None:
        """Do not call."""
        self._due = _NEVER

    def close(self) -> None:
        """Do not call, and give the timer back: nothing holds on to this any more, and this to nobody."""
        self._call = nobody
        self._due = self._goes_off = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._goes_off = self._loop.call_at(self._due, self._look), self._due

    def _look(self) -> None:
        self._timer, self._goes_off = None, _NEVER
        if self._loop.time() >= self._due:
            self._due = _NEVER
            self._call()
        elif self.is_set:
            self._start()
