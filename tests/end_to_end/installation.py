"""An installation for tests: a folder with a configuration, and the installed command in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from tests.brokers import HOST, free_port

COMMAND = Path(sys.executable).with_name("boxbridge")


_HAND_OVER = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], os.environ | {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""
"""Becomes the command, with a socket where systemd would have put it."""


class Installation:
    """Runs `boxbridge run` with a configuration; `kill`, `stop` and `start` as often as wanted."""

    def __init__(
        self,
        folder: Path,
        outputs: str,
        server: str = "",
        environment: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.environment = dict(environment or {})
        self.through = through
        """What the command is run through, as `setpriv …` that takes rights away from it."""
        self.port = free_port()
        self.config = folder / "boxbridge.toml"
        self.data = folder / "data"
        self.log = folder / "boxbridge.log"
        self.server = server
        self.configure(outputs)
        self.process: subprocess.Popen[bytes] | None = None
        self.passed: socket.socket | None = None
        """What it is handed over as systemd hands a socket over."""

    def configure(self, outputs: str) -> None:
        """Write the configuration."""
        self.config.write_text(
            f'site = "plant-a"\ndata = "{self.data}"\ntimezone = "Asia/Shanghai"\n'
            f'[server]\nlisten = "{HOST}:{self.port}"\n{self.server}\n[control]\nlisten = ""\n{outputs}\n',
            encoding="utf-8",
        )

    @property
    def url(self) -> str:
        """Where boxes push to."""
        return f"http://{HOST}:{self.port}/dataPush/DataReportCB"

    def start(self) -> None:
        """Start the daemon and wait until it takes pushes."""
        handed = (self.passed.fileno(),) if self.passed else ()
        launcher = [sys.executable, "-c", _HAND_OVER, *map(str, handed)] if handed else []
        with self.log.open("ab") as log:
            command = [*launcher, *self.through, str(COMMAND), "run", "-c", str(self.config)]
            self.process = subprocess.Popen(
                command, stderr=log, stdout=log, env=os.environ | self.environment, pass_fds=handed
            )
        self.until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            with contextlib.closing(self.connection(5)) as connection:
                connection.request("GET", "/")
                return connection.getresponse().status == 200
        except OSError:
            return False

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection as a box makes it."""
        return http.client.HTTPConnection(HOST, self.port, timeout=timeout)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in order; returns its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(how)
        return process.wait(20)

    def command(self, *arguments: object, code: int = 0) -> bytes:
        """Run another command with this configuration, which must end with this code; returns what it prints."""
        line = [str(COMMAND), *map(str, arguments), "-c", str(self.config)]
        ended = subprocess.run(line, capture_output=True, timeout=60, check=False)
        assert ended.returncode == code, (line, ended.stdout[-2000:], ended.stderr[-2000:])
        return ended.stdout if code == 0 else ended.stderr

    def status(self) -> dict[str, Any]:
        """What `boxbridge status --json` says."""
        status: dict[str, Any] = msgspec.json.decode(self.command("status", "--json"))
        return status

    def until(self, condition: Callable[[], bool], within: float = 20) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s; the log ends:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def push(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Push one body as a box does; returns HTTP status and answer."""
        with contextlib.closing(self.connection(30)) as connection:
            connection.request("POST", "/dataPush/DataReportCB", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()


def memory_kb(pid: int) -> int:
    """Resident memory of a process."""
    fields = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in fields if line.startswith("VmRSS")).split()[1])


def newest_segment(data: Path) -> Path:
    """The segment that was written last."""
    return max((data / "journal").glob("*.seg"))


def remove_index(data: Path) -> None:
    """Lose the index."""
    for file in (data / "journal").glob("index.sqlite*"):
        file.unlink()
