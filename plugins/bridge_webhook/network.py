"""Making connections: a name is looked up once, its addresses are vetted, and exactly these are connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from bridge import Threads
from bridge_webhook.address import forbidden, is_address

_LOOK_UPS_AT_ONCE = 2
"""The names of a webhook: its own or its proxy's, and its tokens'. One that hangs does not keep the other waiting."""


class Forbidden(httpcore2.ConnectError):
    """All addresses of a name are of the kind that nothing is sent to."""


class Network(httpcore2.AsyncNetworkBackend):
    """What the connection pool connects through; behind a proxy it is asked for the proxy alone."""

    def __init__(self, name: str) -> None:
        self._dialling = httpcore2.AnyIOBackend()
        self._looking_up = Threads(f"webhook-{name}", _LOOK_UPS_AT_ONCE)
        self._worked: dict[str, str] = {}
        """By name the address that a connection was made to last: the first to be tried again."""
        self._asking: dict[str, asyncio.Future[Any]] = {}
        """Look-ups under way, by name."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to one of a host's addresses; raises Forbidden, ConnectError or ConnectTimeout."""
        until = None if timeout is None else time.monotonic() + timeout
        addresses = await self._vetted(host, port, timeout)
        addresses.sort(key=lambda address: address != self._worked.get(host))
        for index, address in enumerate(addresses):
            left = _left(until)
            share = None if left is None else left / (len(addresses) - index)
            try:
                stream = await self._dialling.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if index == len(addresses) - 1:
                    raise
            else:
                self._worked[host] = address
                return _Stream(stream, until)
        raise httpcore2.ConnectError(f"{host} has no address")

    def close(self) -> None:
        """Let the threads end; what they still find out is for nobody."""
        for asking in self._asking.values():
            asking.cancel()
        self._looking_up.close()

    async def _vetted(self, host: str, port: int, timeout: float | None) -> list[str]:
        addresses = [host] if is_address(host) else await self._look_up(host, port, timeout)
        allowed = [address for address in addresses if not forbidden(address)]
        if addresses and not allowed:
            raise Forbidden(f"is at {addresses[0]}, {forbidden(addresses[0])}: nothing is ever sent there")
        return allowed

    async def _look_up(self, host: str, port: int, timeout: float | None) -> list[str]:
        """A name's addresses; all connections that are made at the same time wait for one answer."""
        asking = self._asking.get(host)
        if asking is None:
            asking = self._looking_up.run(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            self._asking[host] = asking
            asking.add_done_callback(lambda done: self._answered(host, done))
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.shield(asking)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("the name look-up took too long") from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        return list(dict.fromkeys(str(where[0]) for *_, where in found))

    def _answered(self, host: str, done: asyncio.Future[Any]) -> None:
        del self._asking[host]
        if not done.cancelled():
            done.exception()  # those who waited for it may be gone


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection whose TLS handshake is part of connecting: it has what is left of that time, no more.

    Cancelled meanwhile, it is closed; the library's own would stay open.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream, until: float | None) -> None:
        self._stream = stream
        self._until = until

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, _left(self._until))
        except asyncio.CancelledError:
            await self.aclose()
            raise
        return _Stream(secured, self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
