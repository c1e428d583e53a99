"""`boxbridge demo` does the main job in an empty folder."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.end_to_end.installation import COMMAND


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose path leaves room for that of a socket in it."""
    with TemporaryDirectory() as path:
        yield Path(path)


def test_the_demo_shows_a_pictures_arrival(folder: Path) -> None:
    """Given nothing but this machine, the demo shows picture and event on MQTT and keeps them in its folder."""
    ended = subprocess.run([COMMAND, "demo", "--pushes", "1"], cwd=folder, capture_output=True, timeout=60, check=False)
    said = ended.stdout.decode()
    assert ended.returncode == 0, ended.stderr.decode()
    assert "boxbridge/demo/DEMO-BOX-1/1/picture   a JPEG, " in said
    assert re.search(r"^  console +http://127\.0\.0\.1:\d+$", said, re.MULTILINE)
    assert 'boxbridge/demo/DEMO-BOX-1/1/event   {"specversion":"1.0"' in said
    pictures = list((folder / "boxbridge-demo/data/archive").glob("*/DEMO-BOX-1/1/*.jpg"))
    assert len(pictures) == 1
    assert said.splitlines()[-1].startswith("Stopped. What came in is in ")
    assert pictures[0].read_bytes().startswith(b"\xff\xd8")


def test_the_demo_ends_quietly_when_nobody_reads_on(folder: Path) -> None:
    """Given a reader that goes, as `head` does, the demo ends as by Ctrl-C."""
    with subprocess.Popen([COMMAND, "demo"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        try:
            assert demo.stdout
            assert demo.stderr
            while b"/picture " not in demo.stdout.readline():
                pass
            demo.stdout.close()
            demo.wait(timeout=30)
            assert demo.stderr.read().decode() == ""
        finally:
            demo.kill()
