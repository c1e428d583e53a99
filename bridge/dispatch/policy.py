"""What an outcome leads to: the whole retry policy, read off the exceptions of `bridge.output`."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from bridge.errors import why
from bridge.event import PictureLost
from bridge.output import Rejected, Retry, Stopped, Unavailable

OUTPUT_CAP: Final = 60.0
"""Longest wait, in seconds, before an output that is away is tried again."""
EVENT_CAP: Final = 900.0
"""Longest wait before an event that failed is tried again."""
ASKED_CAP: Final = 3600.0
"""Longest wait that a far side may ask for: a slip in its Retry-After must not put an output to sleep for years."""
LONGEST_REASON: Final = 2000
"""Characters of a reason that are kept."""
SAME_FAILURE_LIMIT: Final = 3
"""A Retry on so many different events in a row is no longer about the events: the output is away."""

_UNREACHABLE: Final = {
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ECONNREFUSED, errno.ETIMEDOUT,
    errno.EADDRNOTAVAIL,
}  # fmt: skip


class Verdict(Struct, frozen=True):
    """What became of one attempt."""

    kind: Literal["delivered", "unavailable", "retry", "rejected", "stopped"]
    reason: str = ""
    after: float | None = None
    """Seconds to wait at least, where the far side asked for it."""
    unexpected: bool = False
    """Not one of the contract's exceptions: the log gets the traceback."""


DELIVERED: Final = Verdict("delivered")


def delivered(answer: object) -> Verdict:
    """What it means that an output returned this: text says what the far side did not get as it is."""
    return Verdict("delivered", _said(answer)) if isinstance(answer, str) and answer else DELIVERED


def judge(error: BaseException, unavailable: Sequence[type[BaseException]]) -> Verdict:
    """What an exception means. `unavailable`: the output's own list."""
    reason, name = _said(error), type(error).__name__
    named = reason if reason == name else f"{name}: {reason}"
    match error:
        case Unavailable():
            verdict = Verdict("unavailable", reason, error.after)
        case Retry():
            verdict = Verdict("retry", reason, error.after)
        case Rejected() | PictureLost():
            verdict = Verdict("rejected", reason)
        case Stopped():
            verdict = Verdict("stopped", reason)
        case ConnectionError() | TimeoutError() | socket.gaierror():
            verdict = Verdict("unavailable", reason)
        case OSError() if error.errno in _UNREACHABLE:
            verdict = Verdict("unavailable", reason)
        case OSError() if error.errno == errno.EIO:  # a disk's trouble, most likely with a picture, and no bug
            verdict = Verdict("retry", reason)
        case _ if isinstance(error, tuple(unavailable)):
            verdict = Verdict("unavailable", named)
        case _:
            verdict = Verdict("retry", named, unexpected=True)
    return verdict


def _said(error: object) -> str:
    """Its text, as the journal can keep it: whatever a plugin says must not stop the writer, nor fill the log."""
    try:
        text = why(error)
    except Exception as failed:  # noqa: BLE001 - an output may raise anything, of any class
        text = f"(its text can't be read: {type(failed).__name__})"
    return text[:LONGEST_REASON].encode("utf-8", "replace").decode()


def wait_for_output(failures: int, after: float | None) -> float:
    """Seconds until an output that failed so many times in a row (from 1) is tried again: full jitter, capped."""
    return max(_asked(after), random.uniform(0.0, _doubled(failures - 1, OUTPUT_CAP)))  # noqa: S311 - no secret


def wait_for_event(attempts: int, after: float | None) -> float:
    """Seconds until an event that failed so many times (from 1) is tried again: wider and wider, with jitter."""
    widest = _doubled(attempts, EVENT_CAP)
    return max(_asked(after), random.uniform(widest / 2, widest))  # noqa: S311 - no secret


def _asked(after: float | None) -> float:
    return min(ASKED_CAP, after or 0.0)


def _doubled(times: int, cap: float) -> float:
    # A night's outage has more failures than a float has powers of two.
    return min(cap, 2.0 ** min(times, 60))
