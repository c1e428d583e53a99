"""A whole daemon and a disk that misbehaves: nothing is lost, the reason is told, and it goes on by itself.

`BOXBRIDGE_TABLE=/dev/stdout pytest -n0 -q -s tests/plugins/archive/test_hostile.py` prints what was measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bench.disk import slow_card
from bridge.testing import sample_push
from tests.end_to_end.installation import Installation
from tests.faults import disk
from tests.faults.image import Image, made_or_skipped
from tests.plugins.hostile_table import note

pytestmark = pytest.mark.timeout(180)

EVENTS = 20
_WITHOUT_ROOTS_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


class Disk:
    """A daemon with an archive in a folder of its own, and what was pushed to it."""

    def __init__(self, bridge: Installation, root: Path) -> None:
        self.bridge = bridge
        self.root = root
        self.pushed = 0

    def push(self, count: int = EVENTS) -> None:
        for _ in range(count):
            assert self.bridge.push(sample_push(small=True))[1]["code"] == 0
        self.pushed += count

    def output(self) -> dict[str, object]:
        (output,) = self.ask("outputs")
        assert isinstance(output, dict)
        return output

    def ask(self, what: str) -> Any:
        return json.loads(self.bridge.ask(f"/api/v1/{what}"))

    def waits(self) -> str:
        """Wait until the output does, and say why it does."""
        self.bridge.until(lambda: self.output()["state"] == "waiting", 30)
        return f"waiting: {self.output()['reason']}".replace(str(self.root), "ARCHIVE")

    def lines(self) -> list[str]:
        """The ids in the days' indexes."""
        texts = [index.read_text("utf-8") for index in self.root.glob("*/events.jsonl")]
        return [json.loads(line)["id"] for text in texts for line in text.splitlines()]

    def whole(self) -> set[str]:
        """The events that are there with a picture, the request and a line."""
        files = [path.name for path in self.root.glob("????-??-??/*/*/*")]
        ids = {ending: {name.split("_")[-1].removesuffix(ending) for name in files if name.endswith(ending)}
               for ending in (".jpg", ".original.json")}  # fmt: skip
        return set(self.lines()) & ids[".jpg"] & ids[".original.json"]

    def mended(self, case: str, what: str, duplicates: int = 0) -> None:
        """Wait until all that was pushed is there, and note the row; so many lines may be there twice."""
        began = time.monotonic()
        self.bridge.until(lambda: len(self.whole()) == self.pushed and not self.output()["waiting"], 60)
        twice = len(self.lines()) - self.pushed
        note(case, what, self.pushed - len(self.whole()), twice, time.monotonic() - began)
        assert 0 <= twice <= duplicates
        assert not self.output()["dead"]


def archiving(
    folder: Path, root: Path, environment: dict[str, str] | None = None, through: tuple[str, ...] = ()
) -> Disk:
    """Not started yet."""
    table = f'[output.local]\ntype = "archive"\npath = "{root}"\nmin_free = "0%"\n'
    return Disk(Installation(folder, table, environment=environment, through=through), root)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Disk]:
    """A daemon that runs, with an archive that has a first event."""
    made = archiving(tmp_path, tmp_path / "far")
    with made.bridge:
        made.push(1)
        made.bridge.until(lambda: made.output()["delivered"] == 1)
        yield made


@pytest.fixture
def card(tmp_path: Path) -> Iterator[tuple[Disk, Image]]:
    """The same on a small disk of its own."""
    image = made_or_skipped(tmp_path / "disk.img", "an archive on a disk that is full, or read-only")
    with image.mounted() as folder:
        made = archiving(tmp_path, folder / "archive")
        with made.bridge:
            made.push(1)
            made.bridge.until(lambda: made.output()["delivered"] == 1)
            yield made, image


def test_the_folder_is_gone(far: Disk) -> None:
    kept = far.root.with_name("kept")
    far.root.rename(kept)
    far.root.write_text("no folder")
    far.push()
    what = far.waits()
    assert "File exists" in what or "Not a directory" in what
    far.root.unlink()
    kept.rename(far.root)
    far.mended("the folder is gone", what)


def test_the_folder_is_removed_and_made_again(far: Disk) -> None:
    shutil.rmtree(far.root)
    far.push()
    began = time.monotonic()
    far.bridge.until(lambda: far.output()["delivered"] == 1 + EVENTS)
    note("the folder is removed while it runs", "made again", EVENTS - len(far.whole()), 0, time.monotonic() - began)
    assert len(far.whole()) == EVENTS


def test_the_disk_becomes_read_only(card: tuple[Disk, Image]) -> None:
    made, image = card
    subprocess.run(["mount", "-o", "remount,ro", str(image.folder)], check=True)
    made.push()
    what = made.waits()
    assert "Read-only file system" in what
    subprocess.run(["mount", "-o", "remount,rw", str(image.folder)], check=True)
    made.mended("the disk becomes read-only", what)


def test_the_disk_is_full(card: tuple[Disk, Image]) -> None:
    made, image = card
    subprocess.run(["dd", "if=/dev/zero", f"of={image.folder}/ballast", "bs=4096"], check=False, capture_output=True)
    made.push()
    what = made.waits()
    assert "No space left on device" in what or "is full" in what
    (image.folder / "ballast").unlink()
    made.mended("the disk is full", what)


PLUGIN = """
from pathlib import Path
from bridge_archive import writer
from tests.faults.disk import FAIL, Fault, Shim
# One disk is quicker than the other: what is to fail must be called on each of them.
writer._SLOW = 0 if {call!r} == "syncfs" else 60
shim = Shim(Path({root!r}), -1, recording=False)
assert shim.loaded
shim.arm(Fault(FAIL, {at}, {lasting}, 5, {call!r}))
"""


@pytest.mark.parametrize("call", ["write", "fsync", "syncfs", "rename"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_a_call_on_the_disk_fails(tmp_path: Path, call: str, lasting: bool) -> None:
    shim = disk.compiled(tmp_path)
    if shim is None:
        pytest.skip("NOT TESTED: a disk that fails, since that needs gcc (Debian: apt-get install gcc libc6-dev)")
    environment = {"LD_PRELOAD": str(shim), "PYTHONPATH": str(Path(__file__).parents[3])}
    made = archiving(tmp_path, tmp_path / "far", environment)
    text = made.bridge.config.read_text()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "faulty.py").write_text(
        PLUGIN.format(root=str(made.root), at=2 if call == "syncfs" else 8, lasting=lasting, call=call)
    )
    made.bridge.config.write_text(f'plugins_dir = "plugins"\n{text}')
    what = "once: tried again"
    with made.bridge:
        made.push()
        if lasting:
            what = made.waits()
            assert "Input/output error" in what
            made.bridge.stop()
            made.bridge.environment = {}
            (tmp_path / "plugins" / "faulty.py").unlink()
            made.bridge.start()
        # Who ends between an event's line and its rename writes the line again.
        duplicates = EVENTS if call == "rename" and lasting else 0
        made.mended(f"each {call} fails with EIO" if lasting else f"one {call} fails with EIO", what, duplicates)


def test_a_slow_card_carries_a_hundred_events_a_second(tmp_path: Path) -> None:
    made = archiving(tmp_path, tmp_path / "far", slow_card(tmp_path, 8))
    with made.bridge:
        made.push(1)
        bodies = [sample_push(small=True) for _ in range(300)]
        began = time.monotonic()
        with ThreadPoolExecutor(8) as boxes:
            assert all(answer["code"] == 0 for _, answer in boxes.map(made.bridge.push, bodies))
        pushed = time.monotonic()
        made.pushed += len(bodies)
        made.bridge.until(lambda: not made.output()["waiting"])
        rate = len(bodies) / (time.monotonic() - began)
        made.mended("8 ms a sync, one after the other", f"delivered, {rate:.0f} events a second")
        assert time.monotonic() - pushed < 4  # each file synced by itself would take 7 s


def test_a_folder_that_belongs_to_somebody_else(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("NOT TESTED: a folder of somebody else's, since that needs root and setpriv")
    root = tmp_path / "far"
    root.mkdir(mode=0o755)
    os.chown(root, 65534, 65534)
    made = archiving(tmp_path, root, through=_WITHOUT_ROOTS_RIGHTS)
    with made.bridge:
        made.push()
        what = made.waits()
        assert "Permission denied" in what
        os.chown(root, 0, 0)
        made.mended("the folder belongs to somebody else", what)


def test_a_name_is_taken_by_a_folder(far: Disk) -> None:
    """The name of one event's document: no other is held up for long, and it passes when the name is free."""
    far.bridge.command("outputs", "pause", "local")
    far.push()
    event = far.ask("events")["events"][EVENTS // 2]
    received = datetime.fromisoformat(event["received"]).astimezone(ZoneInfo("Asia/Shanghai"))
    name = f"{received:%H%M%S}.{received.microsecond // 1000:03}_{event['kind']}_{event['id']}.json"
    taken = far.root / f"{received:%Y-%m-%d}" / event["device"] / event["channel"] / name
    taken.mkdir(parents=True)
    far.bridge.command("outputs", "resume", "local")
    what = far.waits()
    assert "Is a directory" in what
    taken.rmdir()
    far.mended("a name is taken by a folder", what)


def test_it_is_killed_in_the_midst(far: Disk) -> None:
    for _ in range(3):
        far.push()
        far.bridge.kill()
        far.bridge.start()
    far.mended("kill -9 in the midst, three times", "goes on at the next start", duplicates=3 * EVENTS)
    assert not [path for path in far.root.rglob("*.part") if path.name != ".probe.part"]
