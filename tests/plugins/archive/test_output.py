"""What an archive holds after a delivery, and what a disk's trouble leads to."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import Share, Size, Unavailable
from bridge_archive import durable
from bridge_archive.output import Archive
from tests.plugins.archive.archives import archive_in, files_in
from tests.plugins.deliveries import SCENE, delivery_of

pytestmark = pytest.mark.anyio

STEM = "2026-11-23/gate-3/1/201501.123_pre_offvehicle_01JDCE00000000000000000000"


@pytest.fixture
async def archive(tmp_path: Path) -> Archive:
    opened = archive_in(tmp_path)
    await opened.open()
    return opened


async def test_an_event_becomes_pictures_document_original_and_a_line(archive: Archive) -> None:
    delivery = delivery_of(("scene", SCENE), ("target", b"snapshot"))
    await archive.deliver(delivery)
    assert files_in(archive.path) == [
        "2026-11-23/events.jsonl",
        f"{STEM}.jpg",
        f"{STEM}.json",
        f"{STEM}.original.json",
        f"{STEM}_target-1.jpg",
        "latest/gate-3_1.jpg",
    ]
    assert (archive.path / f"{STEM}.jpg").read_bytes() == SCENE
    assert (archive.path / f"{STEM}_target-1.jpg").read_bytes() == b"snapshot"
    assert (archive.path / f"{STEM}.json").read_bytes() == delivery.document
    assert (archive.path / f"{STEM}.original.json").read_bytes() == delivery.original.by_reference()
    assert (archive.path / "2026-11-23/events.jsonl").read_bytes() == delivery.document + b"\n"
    assert (archive.path / "latest/gate-3_1.jpg").read_bytes() == SCENE


async def test_files_carry_the_time_of_receipt(archive: Archive) -> None:
    delivery = delivery_of(("scene", SCENE))
    await archive.deliver(delivery)
    modified = (archive.path / f"{STEM}.jpg").stat().st_mtime
    assert modified == pytest.approx(delivery.event.received.timestamp(), abs=0.001)


async def test_the_same_event_again_adds_no_second_line_and_no_other_file(archive: Archive) -> None:
    delivery = delivery_of(("scene", SCENE))
    await asyncio.gather(archive.deliver(delivery), archive.deliver(delivery))
    once = files_in(archive.path)
    await archive.deliver(delivery)
    assert files_in(archive.path) == once
    assert (archive.path / "2026-11-23/events.jsonl").read_bytes() == delivery.document + b"\n"


async def test_original_and_latest_can_be_left_out(tmp_path: Path) -> None:
    archive = archive_in(tmp_path, path=tmp_path / "elsewhere", original=False, latest=False)
    await archive.open()
    await archive.deliver(delivery_of(("scene", SCENE)))
    assert files_in(tmp_path / "elsewhere") == ["2026-11-23/events.jsonl", f"{STEM}.jpg", f"{STEM}.json"]


async def test_an_event_whose_picture_is_lost_is_archived_without_it(archive: Archive) -> None:
    less = await archive.deliver(delivery_of(("scene", None), ("target", b"snapshot")))
    assert less == "scene: left out, its bytes were damaged on disk"
    assert files_in(archive.path) == [
        "2026-11-23/events.jsonl",
        f"{STEM}.json",
        f"{STEM}.original.json",
        f"{STEM}_target-1.jpg",
    ]


async def test_the_latest_scene_is_the_last_received_even_when_an_old_event_comes_again(archive: Archive) -> None:
    latest = archive.path / "latest/gate-3_1.jpg"
    await asyncio.gather(
        *(archive.deliver(delivery_of(("scene", b"%d" % at), event_id=f"E{at}", after=at)) for at in (2, 1, 3))
    )
    assert latest.read_bytes() == b"3"
    await archive.deliver(delivery_of(("scene", b"2"), event_id="E2", after=2))
    assert latest.read_bytes() == b"3"
    await archive.deliver(delivery_of(("scene", b"4"), event_id="E4", after=4))
    assert latest.read_bytes() == b"4"


async def test_hostile_ids_stay_inside_the_archive_and_apart(archive: Archive) -> None:
    ids = ["../../../etc", "..", "CON", "a:b", "x/y", "x%2Fy", "", "门" * 300, "events.jsonl", "\x00", "车辆"]
    for at, name in enumerate(ids):
        delivery = delivery_of(("scene", b"%d" % at), device=name, channel=name, kind=name, event_id=f"E{at}")
        await archive.deliver(delivery)
    scenes = [path for path in archive.path.rglob("*.jpg") if path.parent.name != "latest"]
    latest = list((archive.path / "latest").iterdir())
    assert sorted(path.read_bytes() for path in scenes) == sorted(b"%d" % at for at in range(len(ids)))
    assert sorted(path.read_bytes() for path in latest) == sorted(b"%d" % at for at in range(len(ids)))
    assert files_in(archive.path.parent) == [f"archive/{name}" for name in files_in(archive.path)]


async def test_no_half_written_file_is_ever_seen_under_its_name(archive: Archive) -> None:
    scene = os.urandom(300_000)
    halves: list[str] = []
    done = asyncio.Event()

    def look() -> None:
        while not done.is_set():
            seen = [path for path in archive.path.rglob("*.jpg") if not path.name.startswith(".")]
            halves.extend(str(path) for path in seen if path.stat().st_size != len(scene))
            for path in archive.path.glob("*/*/*/[0-9]*.json"):
                json.loads(path.read_bytes())

    looking = asyncio.create_task(asyncio.to_thread(look))
    deliveries = [delivery_of(("scene", scene), event_id=f"E{at:03}", after=at % 3) for at in range(100)]
    await asyncio.gather(*map(archive.deliver, deliveries))
    done.set()
    await looking
    assert halves == []
    assert not [name for name in files_in(archive.path) if name.endswith(".part")]
    lines = (archive.path / "2026-11-23/events.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == [f"E{at:03}" for at in range(100)]


async def test_syncs_are_shared_by_the_deliveries_under_way(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    really = os.fsync

    def count(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        really(descriptor)

    archive._writer._syncs_as_one = False  # as on a quick disk, however busy this one is
    await archive.deliver(delivery_of(("scene", SCENE), event_id="first"))
    monkeypatch.setattr(os, "fsync", count)
    deliveries = [delivery_of(("scene", SCENE), event_id=f"E{at}") for at in range(64)]
    await asyncio.gather(*map(archive.deliver, deliveries))
    assert sum(name.endswith(".part") for name in synced) == 3 * 64
    # One batch, or two where the first delivery went ahead: index, channel folder and `latest` once for each.
    assert len(synced) - 3 * 64 <= 6
    assert len(set(synced)) - 3 * 64 == 3


async def test_what_a_crash_left_goes_away_when_its_event_comes_again(archive: Archive) -> None:
    delivery = delivery_of(("scene", SCENE))
    half = archive.path / f"{STEM}.jpg"
    half = half.with_name(f".{half.name}.part")
    half.parent.mkdir(parents=True)
    half.write_bytes(SCENE[:4])
    (archive.path / "2026-11-23/events.jsonl").write_bytes(b'{"id":"whole"}\n' + delivery.document[:50])
    await archive.deliver(delivery)
    assert not half.exists()
    lines = (archive.path / "2026-11-23/events.jsonl").read_bytes()
    assert lines == b'{"id":"whole"}\n' + delivery.document + b"\n"


async def test_a_name_that_is_taken_by_a_folder_costs_no_second_line(archive: Archive) -> None:
    deliveries = [delivery_of(("scene", SCENE), event_id=f"E{at}") for at in range(3)]
    taken = archive.path / STEM.replace("01JDCE00000000000000000000", "E1.json")
    taken.mkdir(parents=True)
    for _ in range(2):
        outcomes = await asyncio.gather(*map(archive.deliver, deliveries), return_exceptions=True)
        assert any("Is a directory" in str(outcome) for outcome in outcomes)
    taken.rmdir()
    await asyncio.gather(*map(archive.deliver, deliveries))
    lines = (archive.path / "2026-11-23/events.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == ["E0", "E1", "E2"]


async def test_a_folder_that_a_person_removed_is_made_again(archive: Archive) -> None:
    await archive.deliver(delivery_of(("scene", SCENE)))
    shutil.rmtree(archive.path)
    with pytest.raises(Unavailable, match="No such file or directory"):
        await archive.deliver(delivery_of(("scene", SCENE)))
    await archive.close()
    await archive.open()
    await archive.deliver(delivery_of(("scene", SCENE)))
    assert (archive.path / f"{STEM}.jpg").read_bytes() == SCENE


async def test_open_says_where_the_archive_is_and_how_much_room_there_is(tmp_path: Path) -> None:
    found = await archive_in(tmp_path / "deep" / "down").open()
    assert found.startswith(f"{tmp_path}/deep/down/archive, ")
    assert found.endswith(" GB free")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("free", "said"), [(74_250_000_000, "74.2 GB"), (999_900_000, "999.9 MB"), (40_000_000, "40.0 MB"), (512, "0.5 kB")]
)
async def test_room_is_said_in_a_unit_that_fits(
    free: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small card too, and so where too little is left."""
    disk = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    archive = archive_in(tmp_path, min_free=Share("0%"))
    assert (await archive.open()).endswith(f"archive, {said} free")
    await archive.close()
    with pytest.raises(Unavailable, match=rf"{said} are free on its disk, `min_free` is 900TB"):
        await archive_in(tmp_path, min_free=Size("900TB")).open()


async def test_a_path_that_is_a_file_makes_the_output_unavailable_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable, match=f"archive {tmp_path}/file can't be written: File exists"):
        await archive_in(tmp_path, path=tmp_path / "file").open()


async def test_a_delivery_that_nobody_waits_for_any_more_is_not_written(archive: Archive) -> None:
    disk_is_slow = threading.Event()
    archive._writer._batches.submit(disk_is_slow.wait)
    first = asyncio.create_task(archive.deliver(delivery_of(("scene", SCENE), event_id="first")))
    await asyncio.sleep(0)  # it is under way before the next one comes
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await archive.deliver(delivery_of(("scene", SCENE), event_id="given-up"))
    disk_is_slow.set()
    await first
    await archive.deliver(delivery_of(("scene", SCENE), event_id="last"))
    lines = (archive.path / "2026-11-23/events.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["first", "last"]


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    # In a process of its own, without root's rights to write anywhere.
    script = f"""
import asyncio, os
from pathlib import Path
from tests.plugins.archive.archives import archive_in
from bridge import Unavailable
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
try:
    asyncio.run(archive_in(Path("/"), path=Path({str(tmp_path / "closed")!r})).open())
except Unavailable as error:
    print(error)
"""
    (tmp_path / "closed").mkdir(mode=0o555)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"archive {tmp_path}/closed can't be written: Permission denied")


def test_a_share_that_never_answers_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    """Opening a pipe that nobody reads hangs as a write to a network share does whose server is gone."""
    (tmp_path / "archive").mkdir()
    os.mkfifo(tmp_path / "archive" / ".probe.part")
    script = f"""
import asyncio
from pathlib import Path
from tests.plugins.archive.archives import archive_in
async def main():
    async with asyncio.timeout(0.2):
        await archive_in(Path({str(tmp_path)!r})).open()
try:
    asyncio.run(main())
except TimeoutError:
    print("given up")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=20)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "given up\n", "")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small disk takes root's rights: nothing was tested here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_full_disk_makes_the_output_unavailable_and_harms_nothing(small_disk: Path) -> None:
    archive = archive_in(small_disk)
    await archive.open()
    await archive.deliver(delivery_of(("scene", SCENE), event_id="before"))
    before = files_in(small_disk)
    index = (archive.path / "2026-11-23/events.jsonl").read_bytes()
    huge = [delivery_of(("scene", bytes(3_000_000)), event_id=f"E{at}") for at in range(3)]
    for outcome in await asyncio.gather(*map(archive.deliver, huge[1:]), return_exceptions=True):
        assert isinstance(outcome, Unavailable)
        assert str(outcome).startswith(f"archive {archive.path} can't be written: No space left on device")
    assert files_in(small_disk) == before
    assert (archive.path / "2026-11-23/events.jsonl").read_bytes() == index
    await archive.deliver(huge[0])
    lines = (archive.path / "2026-11-23/events.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["before", "E0"]


async def test_a_full_disk_is_away_until_what_found_no_room_fits(small_disk: Path) -> None:
    """Else smaller events would pass, and the large one look as if it were at fault."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3_300_000))
    archive = archive_in(small_disk, latest=False)
    await archive.open()
    with pytest.raises(Unavailable, match="No space left"):
        await archive.deliver(delivery_of(("scene", bytes(900_000)), event_id="large"))
    with pytest.raises(Unavailable, match=r"is full: [\d,]+ bytes free, 90[\d,]+ needed"):
        await archive.open()
    ballast.unlink()
    await archive.open()
    await archive.deliver(delivery_of(("scene", bytes(900_000)), event_id="large"))


def test_lines_that_do_not_fit_leave_the_index_as_it_was(small_disk: Path) -> None:
    index = small_disk / "events.jsonl"
    durable.append_lines(index, [b"{}"])
    with pytest.raises(OSError, match="No space left"):
        durable.append_lines(index, [b"{}", bytes(5_000_000)])
    assert index.read_bytes() == b"{}\n"


async def test_where_there_are_no_links_the_latest_scene_is_a_copy(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    await archive.deliver(delivery_of(("scene", SCENE)))
    latest = archive.path / "latest/gate-3_1.jpg"
    assert latest.read_bytes() == SCENE
    assert latest.stat().st_nlink == 1
