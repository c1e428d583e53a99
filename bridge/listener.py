"""uvicorn inside the daemon: one server for any application, without signal handlers or logs of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.config.address import host_and_port
from bridge.config.settings import LONGEST_SOCKET_PATH
from bridge.errors import FileTrouble

KEEP_ALIVE_SECONDS: Final = 75
SHUTDOWN_SECONDS: Final = 10
"""How long open requests may take to end."""


class _Embedded(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when connections are taken."""
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield


class Listener:
    """An application on some sockets, from `start` to `stop`."""

    def __init__(self, application: Any, sockets: list[socket.socket], protocol: Any = HttpToolsProtocol) -> None:
        config = uvicorn.Config(
            application,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        self._server = _Embedded(config)
        self._sockets = sockets
        self._paths = [Path(s.getsockname()) for s in sockets if s.family == socket.AF_UNIX]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve; returns when connections are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets))
        await self._server.serving.wait()

    async def stop(self) -> None:
        """Answer what was received, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        for path in self._paths:
            path.unlink(missing_ok=True)


def tcp_socket(address: str) -> socket.socket:
    """A listening socket on "host:port"; raises FileTrouble with the remedy."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise FileTrouble(f"can't listen on {address}: {error.strerror}; {_remedy(error, port)}") from error
    return at_once(listening)


def at_once(listening: socket.socket) -> socket.socket:
    """A listening TCP socket whose connections, which inherit it, send at once and hold nobody up.

    Else an answer's body would wait 40 ms for the acknowledgement of its headers.
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    return listening


def _remedy(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another program has port {port}: stop it, or set another `listen`"
        case errno.EACCES:
            return "ports below 1024 need a right of their own: set a higher port in `listen`"
    return "set `listen` to an address of this host, or 0.0.0.0"


def unix_socket(path: Path) -> socket.socket:
    """A listening socket at a path, for its owner and group; raises FileTrouble with the remedy."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise FileTrouble(f"the socket's path {path} is longer than {LONGEST_SOCKET_PATH} bytes: set a shorter `data`")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        path.chmod(0o660)
        listening.listen(64)
    except OSError as error:
        listening.close()
        raise FileTrouble(
            f"can't listen on {path}: {error.strerror}; check who owns the folder, and how it is mounted"
        ) from error
    listening.setblocking(False)
    return listening
