"""Sealed days: what was changed, removed or added since is found, by us and by `sha256sum`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge_archive import manifest
from bridge_archive.keeper import Keeper
from bridge_archive.verify import Finding, Summary, verify
from tests.plugins.archive.archives import archive_in
from tests.plugins.deliveries import SCENE, SHANGHAI, delivery_of

pytestmark = pytest.mark.anyio

STEM = "2026-11-23/gate-3/1/201501.123_pre_offvehicle_01JDCE00000000000000000000"
TODAY = date(2026, 11, 25)


def make(root: Path, *days: str, files: int = 3) -> None:
    """Days as an archive has them."""
    for day in days:
        folder = root / day / "gate-3" / "1"
        folder.mkdir(parents=True)
        for number in range(files):
            (folder / f"20150{number}.123_pre_fire_{day}-{number}.jpg").write_bytes(f"{day} {number}".encode())
        (root / day / "events.jsonl").write_text("{}\n")


def keeper(root: Path) -> Keeper:
    return Keeper(root, SHANGHAI, None, None, log=_silent())


def _silent() -> object:
    import structlog

    return structlog.get_logger("test")


def found(root: Path, known: str = "") -> list[tuple[str, str]]:
    return [(finding.kind, finding.path) for finding in verify(root, known, Summary())]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive of three sealed days and one that is not over."""
    make(tmp_path, "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25")
    keeper(tmp_path).seal(TODAY)
    return tmp_path


def test_a_sealed_archive_is_as_it_was(root: Path) -> None:
    summary = Summary()
    assert list(verify(root, manifest.head(root), summary)) == []
    assert (summary.lists, summary.files, summary.open) == (3, 9, 3)


def test_ordinary_tools_can_check_it(root: Path) -> None:
    lists = sorted(f"{manifest.FOLDER}/{path.name}" for path in (root / manifest.FOLDER).iterdir())
    ended = subprocess.run(["sha256sum", "--check", "--strict", *lists], cwd=root, capture_output=True, check=True)
    assert ended.stdout.count(b": OK\n") == 9 + 2  # and each list but the newest


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"X"), "changed"),
    "a removed file": (lambda file: file.unlink(), "missing"),
    "an added file": (lambda file: file.with_name("201509.000_x_y.jpg").write_bytes(b"new"), "unlisted"),
    "a removed day": (lambda file: shutil.rmtree(file.parents[2]), "day missing"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_found(root: Path, change: str) -> None:
    do, kind = CHANGES[change]
    do(root / "2026-11-23/gate-3/1/201501.123_pre_fire_2026-11-23-1.jpg")
    assert [kind_ for kind_, _ in found(root)] == [kind]


def test_a_list_that_was_written_anew_is_found_by_the_next(root: Path) -> None:
    first = manifest.manifests(root)[0].path
    changed = root / "2026-11-22/gate-3/1/201501.123_pre_fire_2026-11-22-1.jpg"
    before = manifest.digest_of(changed)
    changed.write_bytes(b"forged")
    first.write_text(first.read_text().replace(before, manifest.digest_of(changed)))
    assert found(root) == [("list changed", f"manifests/{first.name}")]


def test_a_whole_chain_that_was_written_anew_is_found_by_a_head_that_was_kept(root: Path) -> None:
    kept = manifest.head(root)
    (root / "2026-11-22/gate-3/1/201501.123_pre_fire_2026-11-22-1.jpg").write_bytes(b"forged")
    shutil.rmtree(root / manifest.FOLDER)
    keeper(root).seal(TODAY)
    assert found(root) == []
    assert found(root, kept) == [("unknown head", kept)]


def test_a_list_that_is_gone_is_named(root: Path) -> None:
    manifest.manifests(root)[1].path.unlink()
    assert ("list missing", "manifests/0000002_….sha256") in found(root)


def test_a_list_that_is_none_is_named(root: Path) -> None:
    manifest.manifests(root)[2].path.write_text("nonsense\n")
    (finding, *_) = verify(root, "", Summary())
    assert finding == Finding("list broken", "manifests/0000003_2026-11-24.sha256", "line 1 is no digest and path")


def test_what_comes_after_its_day_was_sealed_gets_a_list_of_its_own(root: Path) -> None:
    (root / "2026-11-22/gate-3/1/235959.000_late.jpg").write_bytes(b"late")
    keeper(root).seal(TODAY)
    newest = manifest.manifests(root)[-1]
    assert newest.day == "2026-11-22"
    assert [line.path for line in newest.lines()][1:] == ["2026-11-22/gate-3/1/235959.000_late.jpg"]
    assert found(root) == []
    keeper(root).seal(TODAY)
    assert manifest.manifests(root)[-1] == newest


def test_the_head_is_in_the_log(tmp_path: Path) -> None:
    make(tmp_path, "2026-11-23")
    with capture_logs() as logs:
        keeper(tmp_path).seal(TODAY)
    (line,) = logs
    assert (line["day"], line["files"], line["head"]) == ("2026-11-23", 3, manifest.head(tmp_path))


async def test_what_a_delivery_writes_is_sealed(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    await archive.open()
    await archive.deliver(delivery_of(("scene", SCENE)))
    await archive.close()
    keeper(archive.path).seal(TODAY)
    (sealed,) = manifest.manifests(archive.path)
    assert [line.path for line in sealed.lines()] == [f"{STEM}.jpg", f"{STEM}.json", f"{STEM}.original.json"]
    assert found(archive.path) == []


async def test_the_same_event_again_changes_nothing_that_is_sealed(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    await archive.open()
    await archive.deliver(delivery_of(("scene", SCENE)))
    keeper(archive.path).seal(TODAY)
    await archive.deliver(delivery_of(("scene", SCENE)))
    await archive.close()
    assert found(archive.path) == []
