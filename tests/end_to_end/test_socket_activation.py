"""A socket that systemd holds: while the daemon starts again, whoever pushes waits and is answered."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from pathlib import Path

import pytest

from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.end_to_end.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One whose socket is handed over; its `passed` is to be closed."""
    return Installation(tmp_path, "")


def test_a_push_that_comes_between_stop_and_start_is_answered(installation: Installation) -> None:
    with socket.create_server((HOST, installation.port)) as installation.passed, installation:
        assert installation.push(sample_push(small=True))[0] == 200
        assert installation.stop() == 0
        with contextlib.closing(installation.connection(30)) as connection:
            connection.request("POST", "/dataPush/DataReportCB", sample_push(small=True))
            installation.start()
            assert connection.getresponse().status == 200


def test_a_restart_refuses_no_connection(installation: Installation) -> None:
    """A connection that was taken at the very end may be closed before its push is read; its box pushes again."""
    answers: list[int] = []
    stopped = threading.Event()

    def push_on() -> None:
        while not stopped.is_set():
            with contextlib.suppress(ConnectionResetError, BrokenPipeError, http.client.BadStatusLine):
                answers.append(installation.push(sample_push(small=True))[0])

    with socket.create_server((HOST, installation.port)) as installation.passed, installation:
        pusher = threading.Thread(target=push_on)
        pusher.start()
        try:
            for _ in range(3):
                before = len(answers)
                installation.until(lambda before=before: len(answers) > before + 5)  # type: ignore[misc]
                assert installation.stop() == 0
                installation.start()
        finally:
            stopped.set()
            pusher.join(30)
    assert set(answers) == {200}


def test_another_port_than_the_configuration_s_is_said_and_served(installation: Installation) -> None:
    with socket.create_server((HOST, 0)) as installation.passed:
        named, installation.port = installation.port, installation.passed.getsockname()[1]
        with installation:
            assert installation.push(sample_push(small=True))[0] == 200
    assert f"listen={HOST}:{named} port={installation.port}" in installation.log.read_text()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["does not listen", "no TCP"])
def test_what_is_no_socket_for_devices_is_one_sentence(installation: Installation, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as installation.passed:
        installation.passed.bind((HOST, 0))
        with pytest.raises(AssertionError, match="hands over something else than one TCP socket that listens"):
            installation.start()
        assert installation.process is not None
        assert installation.process.wait(10) == 74
