"""What became of an event is read back from the log, also where parts of the log can't be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.journal.history import deliveries
from bridge.journal.journal import Journal
from bridge.journal.record import Kind
from bridge.journal.segment import Found
from tests.journal.journals import TINY, damage, garble, records, running, store

pytestmark = pytest.mark.anyio


async def delivered_late(journal: Journal) -> None:
    """Given an event that was delivered some segments after it came, and again later."""
    cursor = journal.cursors["out"]
    await store(journal, "early")
    for n in range(20):
        await store(journal, f"before {n}")
    cursor.take(journal.next)
    cursor.settle(1, "delivered", 1)
    await journal.write_all()
    for n in range(20):
        await store(journal, f"after {n}")
    assert len(journal.log.segments) > 5


def attempts(journal: Journal) -> list[int]:
    cursor = journal.cursors["out"]
    return [change.attempts for change in deliveries(journal.log, 1, [cursor.entry()], [])]


def spoil(path: Path, found: Found) -> None:
    damage(path, found.offset + 2)


@pytest.mark.parametrize("harm", [spoil, garble])
@pytest.mark.parametrize("kind", [Kind.STATE, Kind.CHANGES])
async def test_a_part_that_says_nothing_hides_no_other(
    tmp_path: Path, kind: Kind, harm: Callable[[Path, Found], None]
) -> None:
    """`kind`: of what is damaged in each segment, but for the change that tells of the delivery."""
    async with running(tmp_path, limits=TINY) as journal:
        await delivered_late(journal)
        assert attempts(journal) == [1]
        for segment in journal.log.segments:
            for found in records(segment.path, kind):
                if b"delivered" not in found.blob:
                    harm(segment.path, found)
        assert attempts(journal) == [1]


async def test_a_delivery_whose_change_says_nothing_is_not_told(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await delivered_late(journal)
        for segment in journal.log.segments:
            for found in records(segment.path, Kind.CHANGES):
                garble(segment.path, found)
        assert attempts(journal) == []
