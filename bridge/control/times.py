"""Times as people type them, in the installation's time zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from bridge.control.answers import Wrong
from bridge.options import Duration

_LAST: Final = 253_402_214_400_000
"""The beginning of the last day that calendars here have."""


def moment(text: str, zone: tzinfo, now: datetime) -> datetime:
    """A time of day (the last such), a date, both, or a span back from now; raises Wrong."""
    try:
        return now - timedelta(seconds=Duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        return _with_zone(datetime.fromisoformat(text), zone)
    except ValueError:
        pass
    try:
        of_day = time.fromisoformat(f"0{text}" if text[1:2] == ":" else text)
        found = datetime.combine(now.astimezone(zone).date(), of_day, zone)
    except ValueError:
        raise Wrong(
            f'"{text}" is no time: give one such as "20:15", "2026-11-24", "2026-11-24 20:15:01", or how long ago: '
            '"90s", "30m", "2h", "7d"'
        ) from None
    return found if found <= now else found - timedelta(days=1)


def milliseconds(text: str, zone: tzinfo, now: datetime) -> int:
    """The same as the journal writes it, or the next time that it can write."""
    return min(max(0, round(moment(text, zone, now).timestamp() * 1000)), _LAST)


def _with_zone(when: datetime, zone: tzinfo) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=zone)
