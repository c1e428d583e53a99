"""Of warnings that are alike one a minute is told, with how many were not."""

from __future__ import annotations

import pytest
import structlog

from bridge import repeats
from bridge.repeats import Repeats, kind_of
from tests.rooms import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.of(repeats, monkeypatch)


def test_one_a_minute_is_told_and_the_next_one_says_how_many_were_not(clock: Clock) -> None:
    told = Repeats(structlog.get_logger())
    with structlog.testing.capture_logs() as log:
        for _ in range(4):
            told.warn("connection cut", "192.168.1.7", peer="192.168.1.7")
        told.warn("connection cut", "192.168.1.8", peer="192.168.1.8")
        clock.now += 60
        told.warn("connection cut", "192.168.1.7", peer="192.168.1.7")
    assert [(line["peer"], line.get("untold")) for line in log] == [
        ("192.168.1.7", None), ("192.168.1.8", None), ("192.168.1.7", 3),
    ]  # fmt: skip


def test_very_many_different_ones_take_no_more_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_MOST_KNOWN", 10)
    told = Repeats(structlog.get_logger())
    with structlog.testing.capture_logs() as log:
        for number in range(100):
            for _ in range(2):
                told.warn("connection cut", f"{number}")
    assert len(log) == 100
    assert max(len(told._told), len(told._untold)) <= 10


def test_of_a_reason_counts_what_is_the_same_each_time() -> None:
    assert kind_of("not JSON: at 17") == kind_of("not JSON: at 18") == "not JSON"
