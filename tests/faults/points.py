"""The fail points of the journal: which there are, and what happens at one."""

from __future__ import annotations

import errno
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bridge.journal import failpoint

ACTIONS = ("kill", "raise", "sleep")
_NAMED = re.compile(r'failpoint\("([a-z ]+)"\)')


def names() -> list[str]:
    """All fail points, as they stand in the source."""
    sources = sorted(Path(failpoint.__file__).parent.glob("*.py"))
    return [name for source in sources for name in _NAMED.findall(source.read_text(encoding="utf-8"))]


def arm(name: str, action: str, time_: int, say: Callable[..., None]) -> None:
    """Have something happen when a place is reached for the `time_`th time, from 1; "" for any place."""
    left = time_

    def reached(place: str) -> None:
        nonlocal left
        if name not in ("", place):
            return
        left -= 1
        if left:
            return
        say("reached", place.replace(" ", "_"))
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "raise":
            raise OSError(errno.EIO, os.strerror(errno.EIO), place)
        time.sleep(0.03)

    failpoint.armed = reached
