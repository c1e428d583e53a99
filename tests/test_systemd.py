"""Messages to systemd over a real socket, and the socket that it hands over."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import systemd


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


def test_what_was_handed_over_to_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.passed_socket() is None
    assert "LISTEN_FDS" not in os.environ
