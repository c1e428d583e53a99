"""The HTTP connections of one webhook. It and `network` need the HTTP library, and are imported where one is opened."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpcore2
import httpx2
from msgspec import Struct

from bridge import Stopped, Unavailable
from bridge_webhook.network import Network
from bridge_webhook.options import WebhookOptions
from bridge_webhook.target import origin_of

KEEP_IDLE = 3.0
"""Seconds that an idle connection stays open: many servers close theirs after 5, and a request that crosses this
would fail."""

READ_AT_MOST = 16 * 1024
"""Bytes of an answer that are read; a connection whose answer is longer is not used again."""

READ_FOR = 0.5
"""Seconds that reading an answer's body may take: over before any sensible `timeout`, or what was taken would come
again."""

_FAILED = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError)


class Answer(Struct, frozen=True):
    """What the far side said."""

    status: int
    headers: httpx2.Headers
    body: bytes
    """Its beginning, `READ_AT_MOST` bytes."""


class Client:
    """Keeps as many connections as there are posts under way, and uses them again.

    It stands on the pool below httpx2's clients: no redirects, no cookies, nothing from the environment, no log lines
    with the URL in them, and connections made by `Network`.
    """

    def __init__(self, name: str, options: WebhookOptions, tls: ssl.SSLContext) -> None:
        self._options = options
        self._tls = tls
        self._connect_timeout = float(options.connect_timeout)
        self._network = Network(name)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            proxy=_proxy(options, tls),
            max_connections=None,
            keepalive_expiry=KEEP_IDLE,
            network_backend=self._network,
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Post once and wait for the answer without a limit of its own.

        Raises Unavailable where there is none, Stopped where the proxy wants other credentials.
        """
        origin = origin_of(url)
        timeouts = {"timeout": {"connect": self._connect_timeout}}
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            async with self._pool.stream(
                b"POST", _parsed(url), headers=fields, content=body, extensions=timeouts
            ) as it:
                answer = Answer(it.status, httpx2.Headers(it.headers), await _beginning(it))
                if _has_surplus(it):
                    await it.extensions["network_stream"].aclose()
        except httpcore2.ConnectTimeout as error:
            raise Unavailable(f"{origin}: no connection within {self._connect_timeout:g} s") from error
        except httpcore2.ProxyError as error:
            self._check_proxy(int(str(error).partition(" ")[0]))
            raise Unavailable(f"{origin_of(self._options.proxy)}: the proxy said {reason(error)}") from error
        except _FAILED as error:
            raise Unavailable(f"{origin}: {reason(error)}") from error
        self._check_proxy(answer.status)
        return answer

    async def reach(self, url: str) -> str:
        """Connect to a URL's host, or to the proxy before it, and let go; returns what was reached, and how quickly."""
        target = self._options.proxy or url
        origin, parsed = origin_of(target), _parsed(target)
        host, began = parsed.host.decode(), time.perf_counter()
        try:
            stream = await self._network.connect_tcp(host, parsed.origin.port, self._connect_timeout)
            try:
                if parsed.scheme == b"https":
                    stream = await stream.start_tls(self._tls, host)
            finally:
                await stream.aclose()
        except httpcore2.ConnectTimeout as error:
            raise Unavailable(f"{origin}: no connection within {self._connect_timeout:g} s") from error
        except _FAILED as error:
            raise Unavailable(f"{origin}: {reason(error)}") from error
        quickly = f"reachable in {(time.perf_counter() - began) * 1000:.0f} ms"
        if self._options.proxy:
            return f"proxy {origin} {quickly}; whether {origin_of(url)} is, behind it, only an event will tell"
        return f"{origin} {quickly}"

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
        self._network.close()

    def _check_proxy(self, status: int) -> None:
        if self._options.proxy and status == 407:
            raise Stopped(
                f"{origin_of(self._options.proxy)}: the proxy wants credentials, or others: HTTP 407; see proxy_basic"
            )


def _parsed(url: str) -> httpcore2.URL:
    """A URL as it is asked for: international names in ASCII, path and query percent-encoded."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise Stopped(f"{origin_of(url)}: the url can't be used: {error}") from error
    return httpcore2.URL(
        scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path or b"/"
    )


def _proxy(options: WebhookOptions, tls: ssl.SSLContext) -> httpcore2.Proxy | None:
    if not options.proxy:
        return None
    basic, url = options.proxy_basic, _parsed(options.proxy)
    auth = (basic.username.encode(), basic.password.reveal().encode()) if basic else None
    return httpcore2.Proxy(url, auth=auth, ssl_context=tls if url.scheme == b"https" else None)


async def _beginning(response: httpcore2.Response) -> bytes:
    """The first bytes of the body. The status stands already: what goes wrong here only ends the reading."""
    body = b""
    try:
        async with asyncio.timeout(READ_FOR):
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > READ_AT_MOST:
                    break
    except (*_FAILED, TimeoutError):
        pass
    return body[:READ_AT_MOST]


def _has_surplus(response: httpcore2.Response) -> bool:
    """Whether more came than the answer: on a connection that is used again it would be the next request's answer.

    The library keeps it, and has no public way of telling: where a later version keeps it elsewhere, it may be so.
    """
    stream: Any = response.stream
    try:
        surplus, _ = stream._stream._connection._h11_state.trailing_data
    except AttributeError:
        return True
    return bool(surplus)


def reason(error: BaseException) -> str:
    """Why there is no connection or answer, in the operating system's words where it said something."""
    for cause in reversed(list(_chain(error))):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    said = str(error).partition(": bytearray(")[0]  # what follows is the far side's own, which may echo secrets
    words = "".join(character for character in said if character.isprintable())
    return words[:200] or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
