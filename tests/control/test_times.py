"""Times as people type them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bridge.control.answers import Wrong
from bridge.control.times import milliseconds, moment
from bridge.journal.record import from_milliseconds

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 24, 20, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", "2026-11-24 18:30"),
        ("90s", "2026-11-24 20:28:30"),
        ("7d", "2026-11-17 20:30"),
        ("20:15", "2026-11-24 20:15"),
        ("20:15:01", "2026-11-24 20:15:01"),
        ("21:00", "2026-11-23 21:00"),
        ("9:30", "2026-11-24 09:30"),
        ("9:30:01", "2026-11-24 09:30:01"),
        ("2026-11-24", "2026-11-24 00:00"),
        ("2026-11-24 20:15", "2026-11-24 20:15"),
        ("2026-11-24T12:15:00Z", "2026-11-24 20:15"),
    ],
)
def test_a_time_is_understood_in_the_installations_zone(text: str, meant: str) -> None:
    assert moment(text, ZONE, NOW) == datetime.fromisoformat(meant).replace(tzinfo=ZONE)


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "9:3", "2026-13-01", "-2h", "99999999999d"])
def test_what_is_no_time_is_said_with_examples(text: str) -> None:
    with pytest.raises(Wrong, match=r'is no time: give one such as "20:15"'):
        moment(text, ZONE, NOW)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31 23:59", "99999d", "1969-12-31"])
def test_a_time_that_the_journal_can_not_write_is_the_next_that_it_can(text: str) -> None:
    when = milliseconds(text, ZONE, NOW)
    assert from_milliseconds(when - 600_000) < from_milliseconds(when + 600_000)
    assert (when == 0) == (not text.startswith("9999-"))
