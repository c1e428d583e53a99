"""After a failed sync memory holds what the disk never got. A start believes the disk, and so nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.record import Kind
from tests.faults import image
from tests.faults.forks import Forks, Job
from tests.faults.history import History
from tests.faults.image import Image
from tests.journal.journals import newest_segment, records

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Image:
    return image.made_or_skipped(tmp_path / "disk.img", "what only memory holds")


def take_from_the_disk(disk: Image, page: bytes) -> None:
    """Zero a page below the file system, which goes on to have it in memory."""
    offset = disk.file.read_bytes().index(page)
    with disk.file.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(PAGE))


def test_a_push_that_only_memory_has_is_no_duplicate(forks: Forks, disk: Image, tmp_path: Path) -> None:
    history = History()
    with disk.mounted() as folder:
        journal = folder / "journal"
        history.tell(forks.run(Job(do="push", folder=journal, record=tmp_path / "one", name="box", lives=3)))
        segment = newest_segment(journal)
        offset = records(segment, Kind.PUSH)[-1].offset // PAGE * PAGE
        page = segment.read_bytes()[offset : offset + PAGE]
        take_from_the_disk(disk, page)
        assert segment.read_bytes()[offset : offset + PAGE] == page, "memory has it still"
        again = history.sent
        history.tell(forks.run(Job(do="prove", folder=journal, record=tmp_path / "two", again=again)))
    with disk.mounted() as folder:  # nothing is left in memory
        history.tell(forks.run(Job(do="prove", folder=folder / "journal", record=tmp_path / "three")))
    assert set(history.kept.values()) >= again
