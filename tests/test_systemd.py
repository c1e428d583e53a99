"""Messages to systemd over a real socket, and the unit as systemd itself judges it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import systemd

FOLDER = Path(__file__).parent.parent / "systemd"


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the notification socket."""
    address = f"@boxbridge-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield listener


def test_ready_is_said_with_a_status(manager: socket.socket) -> None:
    systemd.ready("waiting for the first push")
    assert manager.recv(4096) == b"READY=1\nSTATUS=waiting for the first push"


def test_ready_is_said_without_a_status(manager: socket.socket) -> None:
    systemd.ready()
    assert manager.recv(4096) == b"READY=1"


def test_a_reload_says_when_it_began(manager: socket.socket) -> None:
    systemd.reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    name, microseconds = second.split("=")
    assert name == "MONOTONIC_USEC"
    assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) - int(microseconds) / 1e6 < 5


def test_stop_status_and_watchdog_are_said(manager: socket.socket) -> None:
    systemd.stopping()
    systemd.status("2 events waiting")
    systemd.watchdog()
    assert [manager.recv(4096) for _ in range(3)] == [b"STOPPING=1", b"STATUS=2 events waiting", b"WATCHDOG=1"]


def test_a_status_cant_add_a_message_of_its_own(manager: socket.socket) -> None:
    systemd.status("gate\nMAINPID=1")
    assert manager.recv(4096) == b"STATUS=gate MAINPID=1"


def test_outside_of_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.ready("nobody listens")


def test_a_manager_that_went_away_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from structlog.testing import capture_logs

    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    with capture_logs() as lines:
        systemd.ready()
    assert [line["log_level"] for line in lines] == ["warning"]


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("60000000", None, 60.0),
        ("1500000", "ours", 1.5),
        ("60000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdogs_time_is_read(
    microseconds: str | None, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "ours" else value)
    assert systemd.watchdog_seconds() == seconds


def test_the_unit_in_the_repository_is_the_one_for_a_plain_installation() -> None:
    assert (FOLDER / "boxbridge.service").read_text() == systemd.unit()


def test_a_unit_may_write_where_the_configuration_writes_and_waits_for_its_mount() -> None:
    lines = systemd.unit(writes=[Path("/mnt/usb/archive"), Path("/srv/my data")]).splitlines()
    assert 'ReadWritePaths=/mnt/usb/archive "/srv/my data"' in lines
    assert 'RequiresMountsFor=/mnt/usb/archive "/srv/my data"' in lines


def test_what_systemd_would_read_as_its_own_is_escaped() -> None:
    lines = systemd.unit(Path("/opt/100% $HOME/boxbridge"), Path('/etc/a"b.toml')).splitlines()
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
    assert systemd.hidden(Path(path)) == why


def test_a_link_is_followed_to_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "away")
    monkeypatch.setattr(systemd, "HIDDEN", {tmp_path / "away": "ProtectHome="})
    assert systemd.hidden(tmp_path / "link/python") == (
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
    file = unit_file(tmp_path, systemd.unit(writes=[Path("/mnt/usb/archive")]))
    command = [tool("systemd-analyze"), "security", "--offline=true", "--threshold=14", "--no-pager", file]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    executable = Path(shutil.which("true") or "/bin/true")
    file = unit_file(tmp_path, systemd.unit(executable, writes=[Path("/mnt/usb/my archive")]))
    verified = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in verified.stderr.splitlines() if "boxbridge.service" in line] == []


def test_systemd_understands_every_line_of_the_socket_s_unit(tmp_path: Path) -> None:
    unit_file(tmp_path, systemd.unit(Path(shutil.which("true") or "/bin/true")))
    file = unit_file(tmp_path, systemd.socket_unit("[::]:8600"), "socket")
    verified = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in verified.stderr.splitlines() if "boxbridge.socket" in line] == []


def test_what_was_handed_over_to_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.passed_socket() is None
    assert "LISTEN_FDS" not in os.environ


def test_systemd_makes_the_user_and_the_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = [tool("systemd-sysusers"), f"--root={tmp_path}", str(FOLDER / "boxbridge.sysusers.conf")]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert (tmp_path / "etc/passwd").read_text().startswith("boxbridge:")
    assert (tmp_path / "etc/group").read_text().startswith("boxbridge:")
