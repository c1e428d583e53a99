"""An installation for tests: a folder with a configuration, and the installed command in a process of its own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2

from bridge.config.settings import SOCKET
from bridge.testing.bridge import COMMAND, Bridge
from bridge.testing.ports import HOST

__all__ = ["COMMAND", "Installation", "memory_kb", "newest_segment", "remove_index"]


_HAND_OVER = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], os.environ | {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""
"""Becomes the command, with a socket where systemd would have put it."""


class Installation(Bridge):
    """A daemon without a port for people. `server`: further lines of [server]."""

    def __init__(
        self,
        folder: Path,
        outputs: str,
        server: str = "",
        environment: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self.server = server
        self.passed: socket.socket | None = None
        """What it is handed over as systemd hands a socket over."""
        super().__init__(folder, outputs, environment=environment, through=through)

    def start(self, launcher: Sequence[str] = (), handed: Sequence[int] = ()) -> None:
        """Start the daemon and wait until it takes pushes."""
        if self.passed:
            handed = (self.passed.fileno(),)
            launcher = [sys.executable, "-c", _HAND_OVER, *map(str, handed)]
        super().start(launcher, handed)

    def ask(self, path: str) -> bytes:
        """What it answers where its commands ask: to wait for something by commands takes the start of each."""
        socket = httpx2.HTTPTransport(uds=str(self.data / SOCKET), verify=False)
        with httpx2.Client(base_url="http://boxbridge", transport=socket, verify=False) as client:
            return client.get(path).raise_for_status().content

    def configure(self, tables: str) -> None:
        """Write the configuration."""
        self.config.write_text(
            f'site = "plant-a"\ndata = "{self.data}"\ntimezone = "Asia/Shanghai"\n'
            f'[server]\nlisten = "{HOST}:{self.port}"\n{self.server}\n[control]\nlisten = ""\n{tables}\n',
            encoding="utf-8",
        )


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
