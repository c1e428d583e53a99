"""What makes a group: senders that were answered together are waited for together, one alone is not."""

from __future__ import annotations

import time
from threading import Timer

import pytest

from bridge.journal import waiting
from bridge.journal.record import PushBlob
from bridge.journal.waiting import Entry, Waiting

LONG = 30.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits at all does so for long."""
    monkeypatch.setattr(waiting, "_LEAST_PATIENCE", LONG)


def entry(number: int) -> Entry:
    blob = PushBlob(7, "gate", str(number), b"", "m", "", "POST", "/", "", "", (), b"", (), ())
    return Entry(blob, b"", (), 100, None)


def gathered(queue: Waiting) -> int:
    group, _ = queue.gather(time.monotonic() + LONG, sync_seconds=0.0)
    return len(group)


def test_one_alone_is_not_kept_waiting() -> None:
    queue, began = Waiting(), time.monotonic()
    for number in range(3):
        queue.put(entry(number))
        assert gathered(queue) == 1
    assert time.monotonic() - began < LONG


def test_as_many_as_came_together_are_waited_for() -> None:
    queue = Waiting()
    queue.put(entry(1), entry(2))
    assert gathered(queue) == 2
    late = Timer(0.05, queue.put, [entry(4)])
    queue.put(entry(3))
    late.start()
    assert gathered(queue) == 2
    late.join()


def test_more_than_are_waited_for_go_along() -> None:
    queue = Waiting()
    queue.put(entry(1), entry(2), entry(3))
    assert gathered(queue) == 3


def test_who_stays_away_is_no_longer_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LEAST_PATIENCE", 0.01)
    queue = Waiting()
    queue.put(entry(1), entry(2))
    assert gathered(queue) == 2
    for number in range(2):  # both of the last groups count
        queue.put(entry(number))
        assert gathered(queue) == 1
    monkeypatch.setattr(waiting, "_LEAST_PATIENCE", LONG)
    began = time.monotonic()
    queue.put(entry(5))
    assert gathered(queue) == 1
    assert time.monotonic() - began < LONG


def test_what_is_too_much_for_one_group_makes_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_GROUP_BUFFERS", 2)
    queue = Waiting()
    queue.put(*map(entry, range(5)))
    groups = [queue.gather(time.monotonic() + LONG, sync_seconds=0.0)[0] for _ in range(2)]
    assert [[one.blob.msg_id for one in group] for group in groups] == [["0", "1"], ["2", "3"]]
    assert [one.blob.msg_id for one in queue.rest() if isinstance(one, Entry)] == ["4"]
    assert list(queue.rest()) == []
