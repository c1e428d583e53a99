"""TCP ports of this machine, for what tests, the demo and the benchmark start."""

from __future__ import annotations

import socket
from typing import Final

HOST: Final = "127.0.0.1"

_given: set[int] = set()


def free_port() -> int:
    """One that nobody listens on, and that was not given before: who asked for two has two."""
    while (port := _some_port()) in _given:
        pass
    _given.add(port)
    return port


def _some_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
