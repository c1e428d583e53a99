"""Who holds the event loop is told from who is kept waiting for a CPU."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import structlog

from bridge import Event, hookimpl, stopwatch
from bridge.plugins import Plugins
from bridge.stopwatch import HELD_SECONDS, Stopwatch
from bridge.testing import sample_event


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel tells of the thread: it ran for a second, and was kept waiting for a minute."""
    told = tmp_path / "schedstat"
    told.write_text("1000000000 60000000000 1000\n")
    monkeypatch.setattr(stopwatch, "_SCHEDULING", told)
    return told


def keep_waiting(kernel: Path, seconds: float) -> None:
    kernel.write_text(f"1000000000 {60_000_000_000 + round(seconds * 1e9)} 1000\n")
    time.sleep(seconds)


def test_a_hold_is_as_long_as_it_was_where_the_kernel_stops_telling_of_waits(kernel: Path) -> None:
    watch = Stopwatch()
    began = watch.start()
    kernel.unlink()
    time.sleep(HELD_SECONDS * 1.2)
    assert HELD_SECONDS * 1.2 <= watch.held(began) < 60


def test_what_the_thread_waits_for_a_cpu_is_no_hold(kernel: Path) -> None:
    watch = Stopwatch()
    began = watch.start()
    keep_waiting(kernel, HELD_SECONDS * 1.2)
    assert watch.held(began) == 0


def test_a_hook_is_not_blamed_for_a_wait_for_a_cpu(kernel: Path) -> None:
    class Waiting:
        @hookimpl
        def event_accepted(self, event: Event) -> None:
            keep_waiting(kernel, HELD_SECONDS * 1.2)

    loaded = Plugins()
    loaded.register(Waiting(), "waiting")
    with structlog.testing.capture_logs() as log:
        loaded.tell("event_accepted", event=sample_event(small=True))
    assert log == []
