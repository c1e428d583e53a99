"""What keeps a daemon from starting is one sentence with the remedy, and an exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bridge.testing.ports import HOST
from tests.end_to_end.installation import COMMAND, Installation

ARCHIVE = '[output.local]\ntype = "archive"\n'


def start(bridge: Installation) -> tuple[int, str]:
    """Run it; it must end by itself. Returns exit code and what it said."""
    ended = subprocess.run([COMMAND, "run", "-c", bridge.config], capture_output=True, timeout=30, check=False)
    return ended.returncode, ended.stderr.decode()


def test_a_wrong_configuration_names_all_its_errors(tmp_path: Path) -> None:
    """Given three errors, all are named with their places, and nothing is started."""
    bridge = Installation(tmp_path, '[output.broker]\ntype = "mqtt"\nurl = "mqtt://h:70000"\nprotcol = "5"\n[srever]\n')
    code, said = start(bridge)
    assert code == 78
    assert 'output.broker: unknown key "protcol", did you mean "protocol"?' in said
    assert "port 70000 is not between 1 and 65535" in said
    assert 'unknown key "srever", did you mean "server"?' in said
    assert said.endswith("3 errors. Nothing was started.\n")
    assert not bridge.data.exists()


def test_a_port_in_use_names_the_port(tmp_path: Path) -> None:
    """Given another program on the port, the sentence says which, and what to do."""
    with Installation(tmp_path, ARCHIVE) as first:
        (tmp_path / "second").mkdir()
        second = Installation(tmp_path / "second", ARCHIVE)
        second.port = first.port
        second.configure(ARCHIVE)
        code, said = start(second)
        assert code == 74
        assert f"can't listen on {HOST}:{first.port}: Address already in use; another program has port" in said


def test_a_data_folder_in_use_names_the_process(tmp_path: Path) -> None:
    """Given a daemon with the same folder and port, the second start says whose they are and leaves it alone."""
    with Installation(tmp_path, ARCHIVE) as first:
        (tmp_path / "second").mkdir()
        second = Installation(tmp_path / "second", ARCHIVE)
        second.data, second.port = first.data, first.port
        second.configure(ARCHIVE)
        code, said = start(second)
        assert code == 74
        assert first.process is not None
        assert f"is in use by process {first.process.pid}: stop it first" in said
        assert first.status()["version"], "the first daemon must still be reachable"


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """Given a file where the data folder should be, the sentence names it."""
    bridge = Installation(tmp_path, ARCHIVE)
    bridge.data.write_text("")
    code, said = start(bridge)
    assert code == 78
    assert f"boxbridge.toml:2:8  data: {bridge.data} is no folder: move it away, or set another `data`\n" in said


def test_a_socket_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    """Given a data folder too deep for a unix socket, the sentence says so and what to set."""
    bridge = Installation(tmp_path, ARCHIVE)
    bridge.data = tmp_path / ("deep" * 30)
    bridge.configure(ARCHIVE)
    code, said = start(bridge)
    assert code == 78
    assert "is longer than 107 bytes: set a shorter `data`" in said


def test_a_command_without_a_daemon_says_so(tmp_path: Path) -> None:
    """Given no daemon, `status` names the socket it looked for."""
    bridge = Installation(tmp_path, ARCHIVE)
    assert b"no daemon answers at" in bridge.command("status", code=69)
