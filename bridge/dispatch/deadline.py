"""A time limit for each of many calls, all kept by one timer: `asyncio.timeout` sets and drops one for every call."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Final

_NEVER: Final = float("inf")


class Deadlines:
    """The calls under way that have a time limit."""

    def __init__(self) -> None:
        self._limits: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = _NEVER
        """When the timer goes off, if there is one."""

    def limit(self, seconds: float) -> Limit:
        """For a `with` block of the running task: it is cancelled in it after so long, and then raises TimeoutError."""
        return Limit(self, asyncio.get_running_loop(), seconds)

    def begin(self, limit: Limit) -> None:
        """Watch over it."""
        self._limits.add(limit)
        if limit.due < self._due:
            self._set(limit.loop, limit.due)

    def end(self, limit: Limit) -> None:
        """Watch over it no more. The timer stays: when it goes off it looks who is left."""
        self._limits.discard(limit)

    def close(self) -> None:
        """Give the timer back."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, _NEVER

    def _set(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.close()
        self._timer, self._due = loop.call_at(due, self._look, loop), due

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now, self._timer, self._due = loop.time(), None, _NEVER
        for limit in [limit for limit in self._limits if limit.due <= now]:
            self._limits.discard(limit)
            limit.expire()
        if self._limits:
            self._set(loop, min(limit.due for limit in self._limits))


class Limit:
    """The time limit of one call."""

    __slots__ = ("_before", "_deadlines", "_task", "due", "expired", "loop")

    def __init__(self, deadlines: Deadlines, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.due = loop.time() + seconds
        self.expired = False
        self._deadlines = deadlines

    def __enter__(self) -> Limit:
        task = asyncio.current_task(self.loop)
        assert task is not None  # noqa: S101 - whoever awaits an output is a task
        self._task: asyncio.Task[Any] = task
        self._before = task.cancelling()
        self._deadlines.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self.expired:
            self._deadlines.end(self)
        elif self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            # Nobody else has cancelled it meanwhile.
            raise TimeoutError from error

    def expire(self) -> None:
        """Its time is over."""
        self.expired = True
        self._task.cancel()
