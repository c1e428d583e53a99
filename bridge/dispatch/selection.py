"""Which events an output is given at all: what `only`, `max_age` and `at_most` of its table say of each.

An event is judged when its turn comes. What is skipped is settled as that, with the rule for `why`; nothing is lost
unseen. `at_most` remembers in memory: after a restart its windows begin anew.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from bridge.config.settings import AtMost, Only, OutputSettings
from bridge.event import Event

_MOST_WINDOWS: Final = 10_000
"""So many windows are remembered; devices that make up names get no more memory than that."""

_NAMES: Final[Mapping[str, Callable[[Event], Sequence[str]]]] = {
    "kind": lambda event: (event.kind,),
    "device": lambda event: (event.device.id, event.device.serial, event.device.uuid),
    "channel": lambda event: (event.channel.id, event.channel.name),
    "skill": lambda event: (event.skill.id, event.skill.name),
}
"""By what names an event is known, the first of them the one that it is counted by."""


class Skip(Struct, frozen=True):
    """An event that the output is not given."""

    rule: str
    """The key that says so."""
    reason: str


class Window(Struct):
    """The events of one sort since the first that passed."""

    began: datetime
    passed: int = 1
    skipped: int = 0
    """Since the last that passed, or what that one could not bring out."""


class Selection:
    """The choice of one output."""

    def __init__(self, settings: OutputSettings) -> None:
        self._only = _patterns(settings.only)
        self._max_age = settings.max_age
        self._at_most = settings.at_most
        self._windows: dict[tuple[str, ...], Window] = {}
        self._beside: dict[int, tuple[tuple[str, ...], int]] = {}
        """How many were skipped in place of an event that is open, and of which sort."""

    def skip(self, sequence: int, event: Event, now: datetime, *, first: bool, asked_for: bool) -> Skip | None:
        """Whether an event is not for the output, whose turn it is.

        `first`: it was not given to it before; a further attempt needs no further place among `at_most`. `asked_for`: a
        person wants it, however old it is and whatever came before.
        """
        for field, pattern in self._only.items():
            if not any(pattern.fullmatch(name) for name in _NAMES[field](event)):
                return Skip("only", f"its {field} is not among those of `only`")
        if asked_for:
            return None
        if self._max_age is not None and (now - event.occurred).total_seconds() > self._max_age:
            return Skip("max_age", f"it was older than `max_age` ({self._max_age}) when its turn came")
        if first and self._at_most is not None and not self._has_place(sequence, event, self._at_most):
            return Skip("at_most", f"`at_most` ({self._at_most.count} in {self._at_most.per}) had passed before it")
        return None

    def beside(self, sequence: int) -> int:
        """How many events `at_most` skipped before this one, to be told beside it."""
        return self._beside[sequence][1] if sequence in self._beside else 0

    def over(self, sequence: int, *, delivered: bool) -> None:
        """An event is settled; what it should have told, and did not, the next one tells."""
        sort, skipped = self._beside.pop(sequence, ((), 0))
        if not delivered and sort in self._windows:
            self._windows[sort].skipped += skipped

    def _has_place(self, sequence: int, event: Event, at_most: AtMost) -> bool:
        """By the time of receipt: so an outage of the far side changes nothing in which events pass."""
        sort = tuple(_NAMES[field](event)[0] for field in at_most.by)
        window = self._windows.get(sort)
        if window is None:
            self._make_room(event.received, at_most.per)
            self._windows[sort] = Window(event.received)
            return True
        if (event.received - window.began).total_seconds() >= at_most.per:
            window.began, window.passed = event.received, 1
        elif window.passed < at_most.count:
            window.passed += 1
        else:
            window.skipped += 1
            return False
        if window.skipped:
            self._beside[sequence] = sort, window.skipped
            window.skipped = 0
        return True

    def _make_room(self, now: datetime, per: float) -> None:
        """Forget windows that are over, and of too many the oldest."""
        if len(self._windows) < _MOST_WINDOWS:
            return
        over = [sort for sort, window in self._windows.items() if (now - window.began).total_seconds() >= per]
        for sort in over or [next(iter(self._windows))]:
            del self._windows[sort]


def selection_of(settings: OutputSettings) -> Selection | None:
    """What an output's table says; None where every event is for it."""
    chooses = settings.only is not None or settings.max_age is not None or settings.at_most is not None
    return Selection(settings) if chooses else None


def _patterns(only: Only | None) -> dict[str, re.Pattern[str]]:
    if only is None:
        return {}
    named = {field: getattr(only, field) for field in _NAMES}
    return {field: re.compile("|".join(map(fnmatch.translate, globs))) for field, globs in named.items() if globs}
