"""Times as devices send them: numbers of milliseconds, or of seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_OLDEST = timedelta(days=3653)
_NEWEST = timedelta(days=1)


def moment(number: int | float) -> datetime:
    """A time in milliseconds, or in seconds where milliseconds would lie before March 1973.

    Raises ValueError, OverflowError or OSError where there is no such time.
    """
    seconds = number / 1000 if abs(number) >= 100_000_000_000 else number
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def is_plausible(happened: datetime, received: datetime) -> bool:
    """Whether a device's clock can be believed: it is not ten years behind nor a day ahead."""
    return received - _OLDEST <= happened <= received + _NEWEST
