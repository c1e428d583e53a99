"""What an output's code takes from everybody: the event loop while it holds it, threads that it starts and leaves.

Nobody can stop code that holds the loop or runs in a thread. So it is named, and its output is paused where it goes on
so: a paused output is given nothing more to do it with.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextvars import ContextVar
from threading import Thread
from typing import Any, Final

import structlog

log = structlog.get_logger("boxbridge.dispatch")

HELD_WITHIN: Final = 60.0
HELD_TIMES: Final = 5
HELD_IN_ALL: Final = 5.0
"""Who holds the loop so often, and for so many seconds together, within a minute, is paused. Both have to be: once for
long may be a machine that stood still, and often for a moment one that is too busy."""

MOST_THREADS: Final = 100
"""So many threads of an output's own may run at a time, besides those that it is called in."""

caller_of: Final[ContextVar[str]] = ContextVar("boxbridge_output", default="")
"""The output whose code runs now; a task has it of the one that made it."""

_MADE_BY: Final = "_boxbridge_output"


class Holds:
    """How long and how often one output's code held the event loop."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """In all, since the output was started."""
        self._lately: deque[tuple[float, float]] = deque()
        self._told = -HELD_WITHIN

    def note(self, seconds: float) -> bool:
        """It was held once more, for so long; returns whether that is to be told: once a minute."""
        now = time.monotonic()
        self.seconds += seconds
        self._lately.append((now, seconds))
        while self._lately[0][0] <= now - HELD_WITHIN:
            self._lately.popleft()
        tell = now - self._told >= HELD_WITHIN
        if tell:
            self._told = now
        return tell

    def too_much(self) -> str:
        """Why the output is to be paused; "" where it is not."""
        times, in_all = len(self._lately), sum(seconds for _, seconds in self._lately)
        if times < HELD_TIMES or in_all < HELD_IN_ALL:
            return ""
        held = f"its code held the event loop {times} times within a minute, {in_all:.1f} s in all"
        return f"{held}, while nobody was served; mend its plugin, then restart boxbridge"


def know_makers() -> None:
    """Have every thread know in which output's code it was started, and say so where it ends by an error.

    Python itself keeps no such thing.
    """
    if getattr(Thread.start, _MADE_BY, None):
        return
    start, failed = Thread.start, threading.excepthook

    def knowing(thread: Thread, *arguments: Any) -> None:
        setattr(thread, _MADE_BY, caller_of.get() or _maker(threading.current_thread()))
        start(thread, *arguments)

    def named(arguments: Any) -> None:
        if not (output := _maker(arguments.thread)):
            failed(arguments)
            return
        log.warning("a thread that the output started ended by an error", output=output, thread=arguments.thread.name,
                    exc_info=arguments.exc_value)  # fmt: skip

    setattr(knowing, _MADE_BY, True)
    threading.excepthook = named
    Thread.start = knowing  # type: ignore[assignment]


def threads_of_outputs() -> Counter[str]:
    """How many threads run that were started in each output's code, those that it is called in among them."""
    makers = map(_maker, threading.enumerate())
    return Counter(maker for maker in makers if maker)


def _maker(thread: Thread | None) -> str:
    return str(getattr(thread, _MADE_BY, ""))
