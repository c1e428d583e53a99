"""On a slow disk a batch is synced at once; and what was delivered outlasts a cut in power, in either way."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from pathlib import Path

import pytest

from bridge import Unavailable
from bridge_archive.filesystem import synced_as_one, syncs_as_one
from tests.faults.image import Image, made_or_skipped
from tests.plugins.archive.archives import archive_in
from tests.plugins.deliveries import delivery_of

pytestmark = pytest.mark.anyio

_EXT4_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = (2).to_bytes(4, "little")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return made_or_skipped(tmp_path / "disk.img", "whether an archive outlasts a cut in power")


@pytest.mark.parametrize("slow", [0.0, 1e9], ids=["synced at once", "synced one by one"])
async def test_what_was_delivered_outlasts_a_cut_in_power(
    image: Image, monkeypatch: pytest.MonkeyPatch, slow: float
) -> None:
    monkeypatch.setattr("bridge_archive.writer._SLOW", slow)
    delivered: list[str] = []

    async def deliver(number: int) -> None:
        event = f"01JDCE{number:020}"
        await archive.deliver(
            delivery_of(("scene", b"%d" % number * 1000), event_id=event, device=f"gate-{number % 7}")
        )
        delivered.append(event)
        if len(delivered) == 100:
            with_power = os.open(disk, os.O_RDONLY)
            try:
                fcntl.ioctl(with_power, _EXT4_SHUTDOWN, _NO_LOG_FLUSH)
            finally:
                os.close(with_power)

    async def one_after_the_other(first: int) -> None:
        for number in range(first, 320, 32):
            await deliver(number)

    with image.mounted() as disk:
        archive = archive_in(disk)
        await archive.open()
        assert archive._writer._syncs_as_one is (slow == 0)
        outcomes = await asyncio.gather(*map(one_after_the_other, range(32)), return_exceptions=True)
        await archive.close()
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert 100 <= len(delivered) < 320
    with image.mounted() as disk:
        root = disk / "archive"
        lines = [json.loads(line)["id"] for line in (root / "2026-11-23/events.jsonl").read_text().splitlines()]
        for event in delivered:
            (scene,) = root.glob(f"*/*/*/*_{event}.jpg")
            assert scene.read_bytes() == b"%d" % int(event[6:]) * 1000
            (document,) = root.glob(f"*/*/*/*_{event}.json")
            assert json.loads(document.read_bytes())["id"] == event
            assert lines.count(event) == 1


async def test_on_a_slow_disk_a_batch_takes_few_syncs(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_archive.writer._SLOW", 0.0)
    synced: list[int] = []
    really = os.fsync

    def count(descriptor: int) -> None:
        synced.append(descriptor)
        really(descriptor)

    with image.mounted() as disk:
        archive = archive_in(disk)
        await archive.open()
        await archive.deliver(delivery_of(event_id="first"))
        monkeypatch.setattr(os, "fsync", count)
        await asyncio.gather(*(archive.deliver(delivery_of(("scene", b"x"), event_id=f"E{at}")) for at in range(64)))
        await archive.close()
    assert len(synced) <= 2 * 3  # index, channel's folder and `latest`; twice, where the first went ahead


def test_a_file_system_that_promises_nothing_is_synced_file_by_file(tmp_path: Path) -> None:
    assert not syncs_as_one(Path("/proc"))
    with pytest.raises(OSError, match="No such file"):
        syncs_as_one(tmp_path / "nowhere")
    with pytest.raises(OSError, match="No such file"), synced_as_one(tmp_path / "nowhere"):
        pass
