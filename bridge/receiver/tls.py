"""TLS for devices: a connection until both sides agree; from then on the protocol behind it has the connection.

The server's own way to TLS shows a connection only when they agree, so that whoever never does would be counted by
nobody. So the server accepts plain ones; each is taken off its hands before anything is read.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from bridge.receiver.http import Door
from bridge.receiver.seats import Seat

AGREE_SECONDS: Final = 20.0
GOODBYE_SECONDS: Final = 5.0
"""How long a peer may take to close its side after ours."""


class Secured:
    """Makes the protocol of each connection. With another `context` the next ones are shown another certificate."""

    def __init__(self, context: ssl.SSLContext, behind: Callable[..., Any]) -> None:
        self.context = context
        self._behind = behind

    def __call__(self, **server: Any) -> Accepted:
        """Called by the server, with what the protocol behind TLS is made of."""
        return Accepted(self.context, self._behind, server)


class Accepted(asyncio.Protocol):
    """A connection of which nothing was read."""

    def __init__(self, context: ssl.SSLContext, behind: Callable[..., Any], server: dict[str, Any]) -> None:
        self._parts = context, behind, server

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer connected: begin a handshake on a socket of its own."""
        peer = transport.get_extra_info("peername")
        own = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        own.setblocking(False)
        transport.abort()
        Handshake(own, *self._parts).begin(peer[0] if peer else "")


class Handshake(asyncio.Protocol):
    """A connection on which TLS is being agreed on."""

    _seat: Seat
    _task: asyncio.Task[None]

    def __init__(
        self, own: socket.socket, context: ssl.SSLContext, behind: Callable[..., Any], server: dict[str, Any]
    ) -> None:
        self._socket: socket.socket | None = own
        self._context = context
        self._behind = behind
        self._server = server

    def begin(self, peer: str) -> None:
        """The peer's hello is due."""
        self._task = asyncio.get_running_loop().create_task(self._agree())
        self._task.add_done_callback(lambda _: self._end())
        self._server["server_state"].connections.add(self)
        self._seat = cast(Door, self._server["config"].loaded_app).seats.take(peer, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Both sides agree: hand the connection over."""
        self._socket = None  # the transport has it
        self._end()
        protocol = self._behind(**self._server)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def shutdown(self) -> None:
        """The server stops."""
        self._task.cancel()

    def give_way(self) -> bool:
        """Another connection needs the seat: end."""
        return self._task.cancel()

    async def _agree(self) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self,
                cast(socket.socket, self._socket),
                ssl=self._context,
                ssl_handshake_timeout=AGREE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )
        except OSError as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            self._seat.cut(f"no TLS: {reason}")

    def _end(self) -> None:
        self._seat.leave()
        self._server["server_state"].connections.discard(self)
        if self._socket is not None:
            self._socket.close()
