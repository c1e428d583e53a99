"""Whether the clock can be believed. One that was set may be set again: it counts from an hour later on."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

_STEP_SECONDS: Final = 60.0
_HOUR: Final = 3600.0


class Clock:
    """The wall clock, held against the one that only goes forward each time somebody asks."""

    def __init__(self, folder: Path) -> None:
        self._ahead = _ahead()
        # Nothing tells a clock that is wrong since the boot from a long time without power.
        self._sure_from = 0.0 if abs(time.time() - _last_written(folder)) <= _HOUR else time.monotonic() + _HOUR

    def is_sure(self) -> bool:
        """Whether it was not set within the last hour, as far as can be seen."""
        before, self._ahead = self._ahead, _ahead()
        if abs(self._ahead - before) > _STEP_SECONDS:
            self._sure_from = time.monotonic() + _HOUR
        return time.monotonic() >= self._sure_from


def _last_written(folder: Path) -> float:
    """When something was last written to a journal; now for a new one, or where the disk does not say it."""
    written = time.time()
    with contextlib.suppress(OSError):
        written = max((path.stat().st_mtime for path in folder.glob("*.seg")), default=written)
    return written


def _ahead() -> float:
    return time.time() - time.monotonic()
