"""How long outputs took for the last events: remembered from when the pages are loaded, and never written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.event import utc_now
from bridge.hookspecs import hookimpl
from bridge.output import Delivery

_MOST: Final = 1000


class Timings:
    """A plugin that only listens."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, float]] = {}

    @hookimpl
    def event_delivered(self, output: str, delivery: Delivery) -> None:
        """Note how long after its receipt an event was out."""
        event = delivery.event
        if event.id not in self._known:
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[event.id] = {}
        self._known[event.id][output] = (utc_now() - event.received).total_seconds()

    def of(self, event_id: str) -> Mapping[str, float]:
        """Seconds by output, as far as they are known."""
        return self._known.get(event_id, {})
