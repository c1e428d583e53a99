"""A disk that promises more room than it has: writes go well, syncs fail, and memory holds what the disk never got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import image
from tests.faults.forks import Forks, Job
from tests.faults.history import History
from tests.faults.image import Image

PAGE = 4096
MEGABYTES = 64
"""What there really is"""
PROMISED = 200
"""of that much."""
ROUNDS = 24
STEP = 2 * PAGE
"""The journal is left so many bytes of it, or some times as many: in some rounds the disk fails within a group."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Image]:
    reason = image.missing()
    if reason:
        pytest.skip(f"NOT TESTED: a sync that fails for real, since {reason}")
    try:
        with image.memory(tmp_path / "memory", MEGABYTES) as folder:
            # Without a journal of its own, which would fail as well, and with it the whole file system.
            yield Image(folder / "disk.img", PROMISED, "-O", "^has_journal", "-b", str(PAGE))
    except OSError as error:
        pytest.skip(f"NOT TESTED: a sync that fails for real, since no disk can be made here: {error}")


def test_nothing_that_only_memory_has_is_believed(forks: Forks, disk: Image, tmp_path: Path) -> None:
    history, ballast = History(), disk.file.with_name("ballast")

    def live(do: str, **job: int | str | set[str]) -> None:
        record = tmp_path / f"record{history.opened}"
        history.tell(forks.run(Job(do=do, folder=disk.folder / "journal", record=record, **job)))  # type: ignore[arg-type]

    with disk.mounted("loop,errors=continue"):
        disk.write_page_by_page()
        live("push", name="before", lives=5, dead_output=True)
        for round_ in range(ROUNDS):
            ballast.write_bytes(bytes(MEGABYTES * 2**20 - used(disk) - STEP * (round_ % 6)))
            before = set(history.sent)
            live("push", name=f"full{round_}", lives=5, dead_output=True)
            ballast.unlink()
            # Not mounted anew: the kernel still has what the disk has not.
            live("prove", again=history.sent - before)
    assert history.refused > ROUNDS, "no sync failed"
    with disk.mounted():
        live("prove")
    assert history.sent == set(history.kept.values())
    assert history.faults() == []


def used(disk: Image) -> int:
    """How much of the room is taken."""
    return disk.file.stat().st_blocks * 512
