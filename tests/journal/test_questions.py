"""Questions to the index: events by whatever people know of them, the next one, and how many there are."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import structs

from bridge.journal.journal import Journal
from bridge.journal.questions import (
    _BY_ID_AND_TIME,
    FOR_EVER,
    Count,
    EventRow,
    Filter,
    count_events,
    devices,
    find_events,
    neighbours,
    next_event,
)
from tests.journal.journals import running, store

pytestmark = pytest.mark.anyio
PICTURE = b"a picture"


async def filled(journal: Journal) -> list[EventRow]:
    """Four events in three pushes; the last push has a picture."""
    await store(journal, "one")
    await store(journal, "two", events=2)
    await store(journal, "three", pictures=(PICTURE,))
    return [row for msg_id in ("one", "two", "three") for row in await journal.find(msg_id)]


async def test_a_picture_leads_to_its_event_by_name_and_by_digest(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)
        for name in ("gate_{}_scene.jpg", "gate_{}.jpg", "gate_{}", "{}.picture0.jpg", "2026-11-24/{}.json"):
            assert await journal.find(name.format(rows[1].id)) == [rows[1]]
        digest = sha256(PICTURE).hexdigest()
        assert await journal.find(digest) == await journal.find(digest.upper()) == [rows[3]]
        assert await journal.find(sha256(b"another").hexdigest()) == []


async def test_a_msg_id_that_looks_like_a_name_is_a_msg_id(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "01M8MG4CYBC6BSGTZ8A282P6FX.1")
        assert await journal.find("01M8MG4CYBC6BSGTZ8A282P6FX.1")


async def test_an_event_is_found_by_the_beginning_of_its_id_through_its_time(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)
        for row in rows:
            beginning = row.id[:10].lower()
            found = await journal.ask(lambda index, some=beginning: find_events(index, some, 9))  # type: ignore[misc]
            assert row in found
            assert await journal.find(row.id) == [row]
        explain = f"EXPLAIN QUERY PLAN {_BY_ID_AND_TIME}"
        plan = await journal.ask(lambda index: index.execute(explain, (0,) * 5).fetchall())
        assert "event_received" in plan[0][-1]


async def test_no_more_are_found_than_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)
        assert await journal.ask(lambda index: find_events(index, "two", 1)) == [rows[1]]


async def test_the_next_event_of_a_device_is_the_first_from_a_time_on(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)
        device, last = rows[0].device, rows[-1].received
        assert await journal.ask(lambda index: next_event(index, device, 0)) == rows[0]
        assert await journal.ask(lambda index: next_event(index, device, last + 1)) is None
        assert await journal.ask(lambda index: next_event(index, "another", 0)) is None


async def test_an_event_has_neighbours_in_its_channel(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)
        around = [await journal.ask(lambda index, row=row: neighbours(index, row)) for row in rows]  # type: ignore[misc]
        assert around == list(zip([None, *rows[:-1]], [*rows[1:], None], strict=True))
        alone = structs.replace(rows[1], channel="another")
        assert await journal.ask(lambda index: neighbours(index, alone)) == (None, None)


async def test_events_are_counted_as_a_list_would_show_them(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)

        async def count(below: int = FOR_EVER, **asked: str | int) -> Count:
            return await journal.ask(lambda index: count_events(index, Filter(**asked), below))  # type: ignore[arg-type]

        assert await count() == Count(4, 1, 4)
        assert await count(below=4) == Count(3, 1, 3)
        assert await count(device=rows[0].device, kind=rows[0].kind) == Count(4, 1, 4)
        assert await count(device="another") == await count(before=rows[0].received) == Count(0, 0, 0)


async def test_devices_are_told_by_name(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        rows = await filled(journal)
        assert await journal.ask(lambda index: devices(index, 5)) == sorted({row.device for row in rows})
        assert await journal.ask(lambda index: devices(index, 0)) == []
