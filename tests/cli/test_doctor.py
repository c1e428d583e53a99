"""`boxbridge doctor disk`: what it measures, what it warns of, and that nothing of it stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.disk import slow_card
from bridge.cli.doctor import suspicions
from bridge.journal.mount import Mount
from tests.end_to_end.installation import COMMAND


def doctor(
    *arguments: object, code: int = 0, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    line = [str(COMMAND), "doctor", "disk", *map(str, arguments)]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.returncode == code, ended
    return ended


def test_it_fits_a_screen_and_leaves_nothing(tmp_path: Path) -> None:
    lines = doctor("--seconds", 0, "--folder", tmp_path).stdout.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 120
    assert any(line.split()[:3] == ["with", "a", "picture"] and len(line.split()) == 5 for line in lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_its_figures_are_those_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    slow = slow_card(tmp_path, 8)
    report: dict[str, Any] = msgspec.json.decode(
        doctor("--json", "--seconds", 0, "--folder", tmp_path / "data", environment=os.environ | slow).stdout
    )
    assert 8 <= report["small_alone"]["sync_ms"] <= report["small_alone"]["sync_ms_worst"]
    assert report["rates"]["small_alone"] <= 125  # one a sync, at most
    assert report["rates"]["small_alone"] < report["rates"]["small"] <= 16 * 125
    assert report["mount"]["device"]


def test_one_that_is_killed_is_cleaned_up_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen([COMMAND, "doctor", "disk", "--seconds", "60", "--folder", tmp_path]) as killed:
        deadline = time.monotonic() + 20
        while not list(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == 1
    doctor("--seconds", 0, "--folder", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_cleans_up(tmp_path: Path) -> None:
    with subprocess.Popen([COMMAND, "doctor", "disk", "--seconds", "60", "--folder", tmp_path]) as interrupted:
        deadline = time.monotonic() + 20
        while not list(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(20) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    said = doctor("--folder", tmp_path / "no", code=74).stderr
    assert said == f"{tmp_path / 'no'} is no folder that is there: make it, or name another with --folder\n"


DISK = Mount("/dev/sda2", "ext4", ("rw",), turns=False)


@pytest.mark.parametrize(
    ("changes", "sync_ms", "warned"),
    [
        ({}, 0.01, ""),
        ({"file_system": "tmpfs"}, 0.001, "nothing of it outlives a power cut"),
        ({"file_system": "nfs4"}, 2.0, "lies on another machine (nfs4)"),
        ({"options": ("rw", "nobarrier")}, 2.0, "mounted without barriers"),
        ({"device": "/dev/mmcblk0p2"}, 8.0, ""),
        ({"device": "/dev/mmcblk0p2"}, 0.1, "no card is that fast"),
        ({"turns": True}, 12.0, ""),
        ({"turns": True}, 0.2, "less than a turn of a disk"),
    ],
)
def test_what_can_not_be_trusted_is_said(changes: dict[str, Any], sync_ms: float, warned: str) -> None:
    found = list(suspicions(msgspec.structs.replace(DISK, **changes), sync_ms))
    assert len(found) == bool(warned)
    assert warned in "".join(found)
