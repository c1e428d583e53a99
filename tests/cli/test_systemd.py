"""`boxbridge systemd` with configurations that write here and there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bridge.cli import units

BOXBRIDGE = Path(sys.executable).with_name("boxbridge")


def unit_for(tmp_path: Path, configuration: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "boxbridge.toml"
    file.write_text(configuration)
    return subprocess.run(
        [BOXBRIDGE, "systemd", *options, "--config", str(file)], capture_output=True, text=True, timeout=30, check=False
    )


def test_the_unit_starts_this_boxbridge_with_this_configuration(tmp_path: Path) -> None:
    done = unit_for(tmp_path, 'site = "plant-a"\n')
    assert done.stdout == units.unit(BOXBRIDGE, tmp_path / "boxbridge.toml")
    assert done.returncode == 0


def test_a_shell_is_told_where_the_services_data_is(tmp_path: Path) -> None:
    """The unit has a state directory, of which commands in a shell know nothing."""
    told = 'names no data: with data = "/var/lib/boxbridge" commands in a shell find the daemon\n'
    assert f"warning: {tmp_path}/boxbridge.toml {told}" in unit_for(tmp_path, "").stderr
    assert told not in unit_for(tmp_path, 'data = "/var/lib/boxbridge"\n').stderr


def test_the_archives_folder_may_be_written_and_must_be_mounted(tmp_path: Path) -> None:
    archive = tmp_path / "usb/archive"
    archive.mkdir(parents=True)
    done = unit_for(tmp_path, f'[output.local]\ntype = "archive"\npath = "{archive}"\n')
    assert f"ReadWritePaths={archive}\n" in done.stdout
    assert f"RequiresMountsFor={archive}\n" in done.stdout
    assert "must be there" not in done.stderr


def test_a_folder_that_is_not_there_is_named_before_systemd_fails_on_it(tmp_path: Path) -> None:
    done = unit_for(tmp_path, f'data = "{tmp_path}/none"\n')
    assert f"ReadWritePaths={tmp_path}/none\n" in done.stdout
    assert f"install -d -o boxbridge -g boxbridge {tmp_path}/none" in done.stderr


def test_an_archive_below_the_state_directory_needs_no_leave(tmp_path: Path) -> None:
    done = unit_for(tmp_path, '[output.local]\ntype = "archive"\n')
    assert "ReadWritePaths" not in done.stdout
    assert done.returncode == 0


def test_what_protect_home_hides_is_warned_of(tmp_path: Path) -> None:
    done = unit_for(tmp_path, 'data = "/home/me/data"\n')
    assert "warning: /home/me/data lies where ProtectHome= hides it" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("listen", "address"),
    [("0.0.0.0:8700", "0.0.0.0:8700"), ("[::]:8600", "[::]:8600"), ("localhost:8600", "127.0.0.1:8600")],
)
def test_the_socket_is_where_devices_push_to(tmp_path: Path, listen: str, address: str) -> None:
    done = unit_for(tmp_path, f'server.listen = "{listen}"\n', "--socket")
    assert (done.returncode, done.stdout) == (0, units.socket_unit(address))
    assert f"ListenStream={address}\n" in done.stdout


def test_a_socket_for_a_name_is_refused(tmp_path: Path) -> None:
    done = unit_for(tmp_path, 'server.listen = "gateway:8600"\n', "--socket")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'needs an address in server.listen, and "gateway" is a name' in done.stderr


def test_a_wrong_configuration_makes_no_unit(tmp_path: Path) -> None:
    done = unit_for(tmp_path, 'sight = "plant-a"\n')
    assert (done.returncode, done.stdout) == (78, "")
    assert 'did you mean "site"' in done.stderr


def test_what_private_tmp_hides_is_warned_of_as_such() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        done = unit_for(Path(folder), 'site = "plant-a"\n')
        assert f"warning: {folder}/boxbridge.toml lies where PrivateTmp= hides it" in done.stderr
