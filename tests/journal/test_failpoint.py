"""Failpoints: named places that a test may be told of, and that cost nothing else."""

from __future__ import annotations

import pytest

from bridge.journal import failpoint as failpoints
from bridge.journal.failpoint import failpoint


def test_who_is_armed_is_told_each_place_and_may_fail_there(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    def fail_at_the_second(name: str) -> None:
        reached.append(name)
        if len(reached) == 2:
            raise OSError("the disk is gone")

    failpoint("before")
    monkeypatch.setattr(failpoints, "armed", fail_at_the_second)
    failpoint("one")
    with pytest.raises(OSError, match="gone"):
        failpoint("two")
    assert reached == ["one", "two"]
