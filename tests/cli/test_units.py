"""The units as systemd itself judges them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.cli import units

FOLDER = Path(__file__).parent.parent.parent / "systemd"


def test_the_unit_in_the_repository_is_the_one_for_a_plain_installation() -> None:
    assert (FOLDER / "boxbridge.service").read_text() == units.unit()


def test_a_unit_may_write_where_the_configuration_writes_and_waits_for_its_mount() -> None:
    lines = units.unit(writes=[Path("/mnt/usb/archive"), Path("/srv/my data")]).splitlines()
    assert 'ReadWritePaths=/mnt/usb/archive "/srv/my data"' in lines
    assert 'RequiresMountsFor=/mnt/usb/archive "/srv/my data"' in lines


def test_what_systemd_would_read_as_its_own_is_escaped() -> None:
    lines = units.unit(Path("/opt/100% $HOME/boxbridge"), Path('/etc/a"b.toml')).splitlines()
    assert r'ExecStart="/opt/100%% $$HOME/boxbridge" run --config "/etc/a\"b.toml"' in lines


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/home/me/.venv/bin/boxbridge", "lies where ProtectHome= hides it from the service"),
        ("/root/x", "lies where ProtectHome= hides it from the service"),
        ("/tmp/.venv/bin/boxbridge", "lies where PrivateTmp= hides it from the service"),
        ("/var/tmp/boxbridge.toml", "lies where PrivateTmp= hides it from the service"),
        ("/opt/x", ""),
        ("/tmpfiles", ""),
    ],
)
def test_what_the_service_could_not_see_is_known(path: str, why: str) -> None:
    assert units.hidden(Path(path)) == why


def test_a_link_is_followed_to_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "away")
    monkeypatch.setattr(units, "HIDDEN", {tmp_path / "away": "ProtectHome="})
    assert units.hidden(tmp_path / "link/python") == (
        f"leads to {tmp_path}/away/python, where ProtectHome= hides it from the service"
    )


def tool(name: str) -> str:
    """The path of a tool of systemd; without it the test is skipped, and pytest's summary says so."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here (Debian: apt-get install systemd): the unit was NOT judged")
    return found


def unit_file(folder: Path, text: str, kind: str = "service") -> str:
    file = folder / f"boxbridge.{kind}"
    file.write_text(text)
    return str(file)


def test_systemd_finds_the_unit_hardened_to_1_4(tmp_path: Path) -> None:
    file = unit_file(tmp_path, units.unit(writes=[Path("/mnt/usb/archive")]))
    command = [tool("systemd-analyze"), "security", "--offline=true", "--threshold=14", "--no-pager", file]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    executable = Path(shutil.which("true") or "/bin/true")
    file = unit_file(tmp_path, units.unit(executable, writes=[Path("/mnt/usb/my archive")]))
    verified = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in verified.stderr.splitlines() if "boxbridge.service" in line] == []


def test_systemd_understands_every_line_of_the_socket_s_unit(tmp_path: Path) -> None:
    unit_file(tmp_path, units.unit(Path(shutil.which("true") or "/bin/true")))
    file = unit_file(tmp_path, units.socket_unit("[::]:8600"), "socket")
    verified = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in verified.stderr.splitlines() if "boxbridge.socket" in line] == []


def test_systemd_makes_the_user_and_the_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = [tool("systemd-sysusers"), f"--root={tmp_path}", str(FOLDER / "boxbridge.sysusers.conf")]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert (tmp_path / "etc/passwd").read_text().startswith("boxbridge:")
    assert (tmp_path / "etc/group").read_text().startswith("boxbridge:")
