"""A clock that was set is not believed for an hour: it may be set again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bridge.journal.clock import Clock


class Times:
    """What both clocks say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = 1e9, 1e3
        monkeypatch.setattr("bridge.journal.clock.time.time", lambda: self.wall)
        monkeypatch.setattr("bridge.journal.clock.time.monotonic", lambda: self.monotonic)

    def go_on(self, seconds: float) -> None:
        """So much time passes."""
        self.wall += seconds
        self.monotonic += seconds


@pytest.mark.parametrize("step", [86_400 * 90, -86_400 * 90])
def test_a_step_counts_from_an_hour_later_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    with monkeypatch.context() as patched:
        times = Times(patched)
        clock = Clock(tmp_path)
        times.go_on(60)
        sure = [clock.is_sure()]
        times.wall += step
        sure.append(clock.is_sure())
        times.go_on(3000)
        sure.append(clock.is_sure())
        times.go_on(700)
        sure.append(clock.is_sure())
    assert sure == [True, False, False, True]


def test_a_clock_that_is_led_to_the_right_time_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        times = Times(patched)
        clock = Clock(tmp_path)
        times.go_on(60)
        times.wall += 1
        sure = clock.is_sure()
    assert sure


@pytest.mark.parametrize(("seconds", "sure"), [(60, True), (86_400 * 90, False), (-86_400, False)])
def test_after_a_long_time_without_power_it_counts_an_hour_later(tmp_path: Path, seconds: int, sure: bool) -> None:
    segment = tmp_path / "00000001.seg"
    segment.touch()
    os.utime(segment, (time.time() - seconds,) * 2)
    assert Clock(tmp_path).is_sure() is sure
