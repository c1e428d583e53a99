"""An event is found by its id alone, in whatever layout it came, and no other for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.event import new_id
from bridge_archive.finding import stem_of_id
from bridge_archive.output import Archive
from tests.plugins.archive.archives import archive_in
from tests.plugins.deliveries import RECEIVED, SHANGHAI, delivery_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = archive_in(tmp_path)
    await archive.open()
    yield archive
    await archive.close()


@pytest.mark.parametrize("made_up", ["{}", "{}.json", "{}.original.json"])
async def test_a_device_that_bears_an_event_s_id_is_not_taken_for_it(archive: Archive, made_up: str) -> None:
    event, others = new_id(RECEIVED), [new_id(RECEIVED) for _ in range(5)]
    for other in others:
        await archive.deliver(delivery_of(event_id=other, device=made_up.format(event), kind=made_up.format(event)))
    assert stem_of_id(archive.path, event, SHANGHAI) is None
    await archive.deliver(delivery_of(event_id=event))
    for each in (event, *others):
        found = stem_of_id(archive.path, each, SHANGHAI)
        assert found is not None
        assert found.name.endswith(f"_{each}")


@pytest.mark.parametrize("ending", ["", ".original", "_target-1"])
async def test_files_of_another_event_are_not_taken_for_its_own(tmp_path: Path, ending: str) -> None:
    archive = archive_in(tmp_path, layout="{date}/{kind}_{id}")
    await archive.open()
    event, other = new_id(RECEIVED), new_id(RECEIVED)
    delivery = delivery_of(("scene", b"x"), ("target", b"y"), event_id=event, kind="fire")
    await archive.deliver(delivery)
    alone = archive.where(delivery)
    await archive.deliver(delivery_of(("scene", b"z"), event_id=other, kind=f"fire_{event}{ending}"))
    assert archive.where(delivery) == alone
    assert len(alone.splitlines()) == 4
    await archive.close()


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff"])
async def test_an_event_whose_document_is_damaged_is_found_all_the_same(archive: Archive, damage: bytes) -> None:
    event = new_id(RECEIVED)
    await archive.deliver(delivery_of(event_id=event))
    (document,) = archive.path.rglob(f"*_{event}.json")
    document.write_bytes(damage)
    assert stem_of_id(archive.path, event, SHANGHAI) == document.relative_to(archive.path).with_suffix("")
