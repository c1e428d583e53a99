"""Notes in each event the shift in which it happened, and drops devices that are only tested, as a drop-in file.

Every output has it then in the event document, as `data.extra.shift`.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from bridge import DROP, Event, hookimpl

ZONE = ZoneInfo("Asia/Shanghai")
SHIFTS = {6: "early", 14: "late", 22: "night"}
"""By the hour at which each begins; the last goes on to the first."""
TEST_DEVICES = "test-*"


@hookimpl
def prepare_event(event: Event) -> Any:
    """Called for each event before it is stored, while its device waits: it must be quick."""
    if fnmatchcase(event.device.id, TEST_DEVICES):
        return DROP
    return event.with_(extra=event.extra | {"shift": shift_at(event.occurred)})


def shift_at(when: datetime) -> str:
    """The name of the shift at a time."""
    hour = when.astimezone(ZONE).hour
    begun = [name for begins, name in sorted(SHIFTS.items()) if begins <= hour]
    return begun[-1] if begun else SHIFTS[max(SHIFTS)]
