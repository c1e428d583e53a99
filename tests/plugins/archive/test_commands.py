"""`boxbridge archive`, as an operator or a lawyer uses it: without a daemon, in English and in Chinese."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.testing import sample_push
from bridge_archive import manifest
from tests.end_to_end.installation import COMMAND, Installation
from tests.plugins.archive.test_verify import make


def archive(folder: Path, *arguments: object, code: int = 0, lang: str = "C.UTF-8") -> str:
    ended = subprocess.run(
        [COMMAND, "archive", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60,
        env=os.environ | {"LC_ALL": lang}, check=False,
    )  # fmt: skip
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration with an archive of two sealed days."""
    (tmp_path / "boxbridge.toml").write_text('data = "data"\n[output.local]\ntype = "archive"\n')
    root = tmp_path / "data" / "archive"
    make(root, "2026-11-22", "2026-11-23")
    for day in ("2026-11-22", "2026-11-23"):
        manifest.seal(root, day)
    return tmp_path


def test_verify_says_what_it_found(folder: Path) -> None:
    assert "all is as it was; files: 6, lists: 2\n" in archive(folder, "verify")
    known = archive(folder, "verify", "--head").strip()
    assert known == manifest.head(folder / "data" / "archive")
    archive(folder, "verify", "--known", known)
    (picture, *_) = (folder / "data" / "archive" / "2026-11-22").rglob("*.jpg")
    picture.write_bytes(b"forged")
    name = picture.relative_to(folder / "data" / "archive")
    assert f"{name}   was CHANGED" in archive(folder, "verify", code=65)
    assert "1 处问题" in archive(folder, "verify", code=65, lang="zh_CN.UTF-8")
    assert "not in the chain" in archive(folder, "verify", "--known", "0" * 64, code=65)


def test_which_archive(folder: Path) -> None:
    with (folder / "boxbridge.toml").open("a") as file:
        file.write('[output.usb]\ntype = "archive"\npath = "usb"\n')
    assert "one of local, usb" in archive(folder, "verify", code=2)
    archive(folder, "verify", "--output", "local")
    (folder / "boxbridge.toml").write_text('data = "data"\n')
    assert "no output of type archive" in archive(folder, "verify", code=2)


def archiving(folder: Path) -> Iterator[Installation]:
    """A daemon with an archive that has one event."""
    with Installation(folder, '[output.local]\ntype = "archive"\n') as running:
        assert running.push(sample_push(small=True))[1]["code"] == 0
        running.until(lambda: running.output("local")["delivered"] == 1)
        yield running


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Installation]:
    """One of the test's own."""
    yield from archiving(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests that leave it as it was."""
    yield from archiving(tmp_path_factory.mktemp("shared"))


def event_of(bridge: Installation) -> str:
    told: str = json.loads(bridge.command("events", "--json").splitlines()[0])["id"]
    return told


def test_a_case_stands_for_itself(bridge: Installation, tmp_path: Path) -> None:
    event, case = event_of(bridge), tmp_path / "case.zip"
    root = bridge.data / "archive"
    manifest.seal(root, manifest.days(root)[0])
    assert "event.json" in bridge.command("archive", "export", event, "-o", case).decode()
    with zipfile.ZipFile(case) as opened:
        opened.extractall(tmp_path / "case")
    ended = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "case", capture_output=True, check=True)
    assert ended.stdout.count(b": OK") == 3
    assert json.loads((tmp_path / "case" / "event.json").read_bytes())["id"] == event
    assert json.loads((tmp_path / "case" / "story.json").read_bytes())
    text = (tmp_path / "case" / "VERIFY.txt").read_text("utf-8")
    assert manifest.head(root) in text
    assert "验证方法" in text
    (sealed,) = (tmp_path / "case" / "manifests").iterdir()
    assert manifest.digest_of(tmp_path / "case" / "scene.jpg") in sealed.read_text()


def test_a_case_of_a_day_that_is_not_over_says_so(shared: Installation, tmp_path: Path) -> None:
    shared.command("archive", "export", event_of(shared), "-o", tmp_path / "case.zip")
    text = zipfile.ZipFile(tmp_path / "case.zip").read("VERIFY.txt").decode()
    assert "was not over when it was exported" in text
    assert "尚未结束" in text
    assert "manifests/" not in text


def test_a_case_takes_the_place_of_no_pipe_or_folder_and_leaves_nothing_half(
    shared: Installation, tmp_path: Path
) -> None:
    event, taken = event_of(shared), tmp_path / "taken"
    os.mkfifo(taken)
    said = shared.command("archive", "export", event, "-o", taken, code=1)
    assert f"{taken}: is there already, and no file".encode() in said
    assert taken.is_fifo()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_a_case_is_made_without_the_daemon_too(bridge: Installation, tmp_path: Path) -> None:
    event = event_of(bridge)
    bridge.stop()
    bridge.command("archive", "export", event, "-o", tmp_path / "case.zip")
    assert json.loads(zipfile.ZipFile(tmp_path / "case.zip").read("story.json")) is None


def test_what_is_not_there_is_said(shared: Installation, tmp_path: Path) -> None:
    for unknown in ("01JDCE00000000000000000000", "../../etc/passwd", "nonsense"):
        said = shared.command("archive", "export", unknown, "-o", tmp_path / "case.zip", code=1)
        assert f"{unknown} is not in".encode() in said
    assert not (tmp_path / "case.zip").exists()


def test_an_event_is_held_and_let_go(shared: Installation) -> None:
    event = event_of(shared)
    assert b"is held, and its day" in shared.command("archive", "hold", event)
    assert event.encode() in shared.command("archive", "hold")
    assert b"held no more" in shared.command("archive", "hold", event, "--release")
    assert shared.command("archive", "hold") == b""
    assert b"is not held" in shared.command("archive", "hold", event, "--release", code=1)


def test_only_an_event_is_let_go(shared: Installation) -> None:
    event = event_of(shared)
    shared.command("archive", "hold", event)
    (document,) = (shared.data / "archive").glob(f"*/*/*/*{event}.json")
    other = Path("..", document.relative_to(shared.data / "archive"))
    for name in (other, document, "."):
        assert f"{name} is not held".encode() in shared.command("archive", "hold", name, "--release", code=1)
    assert document.exists()
    shared.command("archive", "hold", event, "--release")


def test_trouble_with_the_disk_is_one_sentence(folder: Path) -> None:
    root = folder / "data" / "archive"
    (root / "holds" / "folder").mkdir(parents=True)
    assert "holds/folder: Is a directory\n" in archive(folder, "hold", code=1)
    (root / "manifests" / "0000003_2026-11-24.sha256").mkdir()
    assert "0000003_2026-11-24.sha256: Is a directory\n" in archive(folder, "verify", "--head", code=1)
    assert "0000003_2026-11-24.sha256: Is a directory\n" in archive(folder, "verify", code=1)


def test_the_command_comes_through_the_hook_that_is_everyone_s() -> None:
    listed = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "archive " in listed


def test_an_event_is_found_in_whatever_layout_it_came(tmp_path: Path) -> None:
    """Given an archive whose layout was changed, both events are verified, held and exported, and `why` names them."""
    table = '[output.local]\ntype = "archive"\n'
    with Installation(tmp_path, table) as bridge:
        assert bridge.push(sample_push(small=True))[1]["code"] == 0
        bridge.until(lambda: bridge.output("local")["delivered"] == 1)
        bridge.configure(table + 'layout = "{date}/{kind}/{hour}/{id}"\n')
        bridge.command("reload")
        assert bridge.push(sample_push(small=True))[1]["code"] == 0
        bridge.until(lambda: bridge.command("events").count(b"local delivered") == 2)
        new, old = (json.loads(line)["id"] for line in bridge.command("events", "--json").splitlines()[:2])
        root = bridge.data / "archive"
        (day,) = manifest.days(root)
        assert len(list((root / day / "pre_offvehicle").glob(f"??/{new}.*"))) == 3
        manifest.seal(root, day)
        assert b"all is as it was; files: 6, lists: 1\n" in bridge.command("archive", "verify")
        for event in (new, old):
            assert f"{event}.jpg" in bridge.command("why", event).decode()
            assert b"is held" in bridge.command("archive", "hold", event)
            assert b"scene.jpg" in bridge.command("archive", "export", event, "-o", tmp_path / "case.zip")
