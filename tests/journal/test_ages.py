"""How old segments are, where the clock was wrong when some of them were made."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.ages import ends
from bridge.journal.segment import Form, Header, Segment


def segments(path: Path, *made: int) -> list[Segment]:
    """Segments whose headers say that they were made then."""
    headers = [Header(bytes(16), n, n, when, 0, Form.WHOLE, 0) for n, when in enumerate(made, 1)]
    return [Segment(path, header) for header in headers]


@pytest.mark.parametrize(
    ("made", "ended"),
    [
        ((10, 20, 30), [20, 30]),
        ((10, 2, 30), [30, 30]),  # a boot with the clock years back, and a restart after it was set
        ((10, 20, 2), [20, 100]),  # the same, where the daemon still runs: nothing says how old the second one is
        ((10, 2, 3, 30, 40), [30, 30, 30, 40]),
        ((10, 900, 20, 30), [20, 20, 30]),  # years ahead
        ((10, 60, 20, 30, 70, 80), [60, 70, 70, 70, 80]),  # it was ahead, and that time has come: they seem younger
        ((10,), []),
    ],
)
def test_a_wrong_clock_makes_none_older_than_it_is(tmp_path: Path, made: tuple[int, ...], ended: list[int]) -> None:
    path = tmp_path / "segment"
    path.touch()
    assert ends(segments(path, *made), now=100) == ended
