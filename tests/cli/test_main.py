"""How commands end: with a full disk behind their output, with nobody who reads it, and at Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon import configure
from tests.end_to_end.installation import COMMAND

# The command, with a real Ctrl-C when a module begins to be loaded.
INTERRUPTED_AT = """
import os, signal, sys

class CtrlC:
    def find_spec(name, path=None, target=None):
        if name == os.environ["AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC)
from bridge.cli.main import main
sys.exit(main())
"""

INTERRUPTING = """
import os, signal
from bridge import Output, hookimpl

class Interrupting(Output):
    type = "interrupting"
    def __init__(self, context):
        super().__init__(context)
        os.kill(os.getpid(), signal.SIGINT)
    async def deliver(self, delivery): pass

@hookimpl
def register_outputs(): return [Interrupting]
"""


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "event"], ["config"], ["plugins"], ["--help"]])
def test_a_full_disk_behind_the_output_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "boxbridge.toml").write_text('site = "plant-a"\n')
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, timeout=30, check=False
        )
    assert (done.returncode, done.stderr) == (74, b"the output can't be written: No space left on device\n")


def test_a_reader_that_went_away_is_no_traceback() -> None:
    with subprocess.Popen([COMMAND, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        said = child.stderr.read().decode()
    assert "Traceback" not in said
    assert child.returncode


@pytest.mark.parametrize("module", ["bridge.cli.configuration", "bridge_archive.output"])
@pytest.mark.parametrize("command", ["check", "schema"])
def test_ctrl_c_at_any_moment_is_quiet(tmp_path: Path, module: str, command: str) -> None:
    (tmp_path / "boxbridge.toml").write_text('site = "plant-a"\n')
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, command],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"AT": module},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")


def test_a_daemon_that_is_interrupted_while_it_opens_closes_what_is_open(tmp_path: Path) -> None:
    configure(tmp_path, '[output.a]\ntype = "interrupting"\n', control=False)
    (tmp_path / "plugins/interrupting.py").write_text(INTERRUPTING)
    done = subprocess.run([COMMAND, "run"], capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert (done.returncode, "Traceback" in done.stderr, "Aborted" in done.stderr) == (0, False, False)
    assert not (tmp_path / "data/boxbridge.sock").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_daemon_runs_with_its_standard_streams_closed(tmp_path: Path, closed: str) -> None:
    configure(tmp_path, "", control=False)
    with subprocess.Popen(["sh", "-c", f"exec {COMMAND} run {closed}"], cwd=tmp_path, stderr=subprocess.DEVNULL) as run:
        try:
            deadline = time.monotonic() + 20
            while not (tmp_path / "data/boxbridge.sock").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            done = subprocess.run([COMMAND, "status"], capture_output=True, cwd=tmp_path, timeout=30, check=False)
        finally:
            run.terminate()
    assert (done.returncode, run.returncode) == (0, 0)


def test_who_ignores_ctrl_c_for_a_command_is_obeyed(tmp_path: Path) -> None:
    ignored = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + INTERRUPTED_AT
    done = subprocess.run(
        [sys.executable, "-c", ignored, "schema"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"AT": "bridge.cli.configuration"},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


STAYING = """
import threading, time
from bridge import hookimpl

threading.Thread(target=time.sleep, args=(600,), name="staying").start()

@hookimpl
def event_accepted(event): pass
"""


def answers(folder: Path) -> bool:
    """Whether the daemon of this folder does."""
    done = subprocess.run([COMMAND, "status"], capture_output=True, cwd=folder, timeout=30, check=False)
    return done.returncode == 0


@pytest.mark.parametrize(("arguments", "served"), [(["check"], False), (["run"], True)], ids=["command", "daemon"])
def test_a_thread_that_a_plugin_left_keeps_no_process(tmp_path: Path, arguments: list[str], served: bool) -> None:
    configure(tmp_path, "")
    (tmp_path / "plugins/staying.py").write_text(STAYING)
    with subprocess.Popen([COMMAND, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=tmp_path) as it:
        if served:
            while not answers(tmp_path):
                assert it.poll() is None
            it.terminate()
        _, said = it.communicate(timeout=30)
    assert it.returncode == 0
    assert b"threads that a plugin left still run; boxbridge ends without them: staying" in said
