"""Warnings that come again and again: of those that are alike one a minute is told, with how many came since."""

from __future__ import annotations

import time
from typing import Any, Final

from bridge.event import shortened

_TOLD_SECONDS: Final = 60.0
_MOST_KNOWN: Final = 10_000


class Repeats:
    """What was told in a log, and what not."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._told: dict[tuple[str, ...], float] = {}
        """When each was told last."""
        self._untold: dict[tuple[str, ...], int] = {}
        """How many like it were not, since then."""

    def warn(self, what: str, *alike: str, **fields: object) -> None:
        """Tell it with these fields, unless one with the same words and the same `alike` was told within a minute."""
        key, now = (what, *alike), time.monotonic()
        if now - self._told.get(key, -_TOLD_SECONDS) < _TOLD_SECONDS:
            self._untold[key] = self._untold.get(key, 0) + 1
            return
        if len(self._told) >= _MOST_KNOWN:
            self._told.clear()
            self._untold.clear()
        self._told[key] = now
        if untold := self._untold.pop(key, 0):
            fields["untold"] = untold
        self._log.warning(what, **fields)


def kind_of(reason: str) -> str:
    """What of a reason is the same each time: what stands before its first colon."""
    return shortened(reason.partition(":")[0])
