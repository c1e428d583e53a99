"""`boxbridge tap` shows what comes and goes while one watches."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.testing import sample_push
from tests.end_to_end.installation import COMMAND, Installation

ARCHIVE = '[output.local]\ntype = "archive"\n'


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path, ARCHIVE) as installation:
        yield installation


@contextmanager
def tapping(installation: Installation, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    line = [str(COMMAND), "tap", *arguments, "-c", str(installation.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tap:
        try:
            yield tap
        finally:
            tap.kill()


def first_line(installation: Installation, tap: subprocess.Popen[str]) -> str:
    """What it shows first; pushes until it shows something, since nothing says from outside that it has begun."""
    assert tap.stdout is not None
    for _ in range(200):
        installation.push(sample_push(small=True, targets=1))
        if select.select([tap.stdout], [], [], 0.1)[0]:
            return tap.stdout.readline()
    raise AssertionError("it shows nothing")


def test_lines_for_people_and_ctrl_c_ends_it(installation: Installation) -> None:
    with tapping(installation, "events") as tap:
        line = first_line(installation, tap)
        assert "  event  01" in line
        assert "  pre_offvehicle  DMB3160PWC21J00001/1  车辆在场 1  车辆离开 2  1 picture " in line
        tap.send_signal(signal.SIGINT)
        assert tap.wait(10) == 130


def test_lines_in_chinese_of_one_output(installation: Installation) -> None:
    with tapping(installation, "--output", "lo*", "--lang", "zh") as tap:
        assert "  local  已送达  01" in first_line(installation, tap)


def test_lines_for_programs_for_so_long(installation: Installation) -> None:
    with tapping(installation, "pushes", "--json", "--for", "3s") as tap:
        assert json.loads(first_line(installation, tap))["outcome"] == "stored"
        out, errors = tap.communicate(timeout=20)
        assert {json.loads(line)["what"] for line in out.splitlines()} <= {"push"}
        assert (tap.returncode, errors) == (0, "")


def test_it_ends_when_the_daemon_does_and_says_so(installation: Installation) -> None:
    with tapping(installation) as tap:
        first_line(installation, tap)
        assert installation.stop() == 0
        _, errors = tap.communicate(timeout=20)
        assert (tap.returncode, errors) == (0, "The daemon was stopped.\n")


def test_what_is_asked_wrongly_is_said(installation: Installation) -> None:
    assert b"--for" in installation.command("tap", "--for", "soon", code=2)
    installation.stop()
    assert b"no daemon answers" in installation.command("tap", code=69)
