"""`boxbridge run --output NAME` tries one output alone, from a file or a table, with a sample or from the journal."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bridge.testing import sample_push
from tests.end_to_end.installation import COMMAND, Installation

PRINTER = """
from bridge import Output, hookimpl

class Printer(Output):
    type = "printer"

    def deliver(self, delivery):
        event = delivery.event
        print(event.kind, event.device.id, len(event.scene.read_blocking()), delivery.test, delivery.replayed)

@hookimpl
def register_outputs():
    return [Printer]
"""
ANSWERING = """
import sys, time, msgspec
from bridge import Output, Rejected, Retry, Stopped, Unavailable, hookimpl

class Answering(Output):
    type = "answering"
    class Options(msgspec.Struct):
        what: str

    async def deliver(self, delivery):
        time.sleep(0.15 if self.options.what == "hold" else 0)
        raise {"unavailable": Unavailable("gone"), "retry": Retry("not now"), "rejected": Rejected("too large"),
               "stopped": Stopped("no more"), "bug": KeyError("x"), "exit": SystemExit(), "hold": Retry("held")}[
               self.options.what]

    async def close(self):
        raise ValueError("stuck")

@hookimpl
def register_outputs():
    return [Answering]
"""


def run(folder: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    line, environment = [str(COMMAND), "run", *arguments], {**os.environ, "PYTHONPATH": str(folder)}
    ended = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout, ended.stderr


def test_a_file_that_nothing_names_is_tried_without_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PRINTER)
    out, _ = run(tmp_path, "--plugin", "mine.py", "--output", "screen")
    opened, printed, told = out.splitlines()
    assert opened == "screen is open  "
    assert printed.startswith("test boxbridge-test ")
    assert printed.endswith(" True False")
    assert "  test  boxbridge-test/1  " in told
    assert told.endswith(" ms  delivered")
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py" and path.name != "__pycache__"] == []


def test_a_file_that_is_installed_where_it_lies_is_tried_as_well(tmp_path: Path) -> None:
    information = tmp_path / "boxbridge_screen-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: boxbridge-screen\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("[boxbridge]\nscreen = boxbridge_screen\n")
    (tmp_path / "boxbridge_screen.py").write_text(PRINTER)
    out, _ = run(tmp_path, "--plugin", "boxbridge_screen.py", "--output", "mine")
    assert out.splitlines()[-1].endswith(" ms  delivered")


@pytest.mark.parametrize(
    ("what", "told", "logged"),
    [
        ("unavailable", "NOT TAKEN: the output would wait and try again: gone", ""),
        ("retry", "NOT TAKEN: it would be tried again: not now", ""),
        ("rejected", "NOT TAKEN: it would be a dead letter: too large", ""),
        ("stopped", "NOT TAKEN: the output would be paused: no more", ""),
        ("bug", "NOT TAKEN: it would be tried again: KeyError: 'x'", "mine.py"),
        ("exit", "RuntimeError: the output called sys.exit()", ""),
        ("hold", "NOT TAKEN: it would be tried again: held", "held the event loop"),
    ],
)
def test_what_an_exception_would_mean_is_said(tmp_path: Path, what: str, told: str, logged: str) -> None:
    (tmp_path / "mine.py").write_text(ANSWERING)
    (tmp_path / "boxbridge.toml").write_text(
        f'[server]\ntoken = "${{NOT_SET}}"\n[output.mine]\ntype = "answering"\nwhat = "{what}"\n'
        '[output.other]\ntype = "nothing-of-the-sort"\n'
    )
    out, errors = run(tmp_path, "--plugin", "mine.py", "--output", "mine", code=69)
    assert told in out.splitlines()[1]
    assert logged in errors
    assert "output mine did not take 1, see above" in errors
    assert "it failed to close: ValueError: stuck" in out


def test_what_is_missing_or_broken_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ANSWERING)
    _, errors = run(tmp_path, "--plugin", "mine.py", "--output", "mine", code=78)
    assert 'output.mine: key "what" is missing' in errors
    (tmp_path / "broken.py").write_text("import nothing_of_the_sort\n")
    _, errors = run(tmp_path, "--plugin", "broken.py", "--output", "mine", code=65)
    assert "broken.py" in errors
    assert "line 1" in errors
    _, errors = run(tmp_path, "--output", "mine", code=2)
    assert 'there is no table [output.mine], and no output type "mine"' in errors
    _, errors = run(tmp_path, "--plugin", "mine.py", code=2)
    assert "name it with --output" in errors


def test_what_the_journal_holds_is_given_to_it_beside_a_daemon(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(PRINTER)
    with Installation(tmp_path, '[output.local]\ntype = "archive"\n') as installation:
        text = installation.config.read_text()
        installation.config.write_text(f'plugins_dir = "plugins"\n{text}')
        for number in range(4):
            installation.push(sample_push(small=True, kind=f"pre_{number}"))
        out, _ = run(tmp_path, "--output", "printer", "--from-journal", "3")
    assert [line.split()[0] for line in out.splitlines() if line.startswith("pre_")] == ["pre_1", "pre_2", "pre_3"]
    assert [line for line in out.splitlines() if line.endswith(" False True")]
