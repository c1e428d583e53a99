"""Whether the clock can be believed. One that was set may be set again: it counts from an hour later on."""

from __future__ import annotations

import time
from typing import Final

_STEP_SECONDS: Final = 60.0
_HOUR: Final = 3600.0


class Clock:
    """The wall clock, held against the one that only goes forward each time somebody asks."""

    def __init__(self) -> None:
        self._ahead = _ahead()
        self._sure_from = 0.0

    def is_sure(self) -> bool:
        """Whether it was not set within the last hour, as far as can be seen."""
        before, self._ahead = self._ahead, _ahead()
        if abs(self._ahead - before) > _STEP_SECONDS:
            self._sure_from = time.monotonic() + _HOUR
        return time.monotonic() >= self._sure_from


def _ahead() -> float:
    return time.time() - time.monotonic()
