"""The HTTP connections to one URL. The only module that needs httpx2, and imported only where a webhook is opened."""

from __future__ import annotations

import asyncio
import os
import ssl

import httpx2
from msgspec import Struct

from bridge import Stopped, Unavailable

KEEP_IDLE = 3.0
"""Seconds that an idle connection stays open: many servers close theirs after 5, and a request that crosses this
would fail."""

READ_AT_MOST = 16 * 1024
"""Bytes of an answer that are read; a connection whose answer is longer is not used again."""

READ_FOR = 2.0
"""Seconds that reading an answer's body may take."""


class Answer(Struct, frozen=True):
    """What the far side said."""

    status: int
    headers: httpx2.Headers
    beginning: bytes
    """Of the body."""


class Client:
    """Keeps as many connections as there are posts under way, and uses them again.

    It stands on httpx2's transport, below its clients: no redirects, no cookies, nothing from the environment, and
    no log lines with the URL in them.
    """

    def __init__(self, url: str, origin: str, tls: ssl.SSLContext, connect_timeout: float) -> None:
        try:
            self._url = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise Stopped(f"{origin}: the url can't be used: {error}") from error
        self._origin = origin
        self._connect_timeout = connect_timeout
        self._transport = httpx2.AsyncHTTPTransport(
            verify=tls,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_IDLE),
        )

    async def post(self, headers: dict[str, str], body: bytes) -> Answer:
        """Post once and wait for the answer without a limit of its own; raises Unavailable where there is none."""
        extensions = {"timeout": {"connect": self._connect_timeout}}
        request = httpx2.Request("POST", self._url, headers=headers, content=body, extensions=extensions)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx2.ConnectTimeout as error:
            raise Unavailable(f"{self._origin}: no connection within {self._connect_timeout:g} s") from error
        except httpx2.TransportError as error:
            raise Unavailable(f"{self._origin}: {reason(error)}") from error
        try:
            return Answer(response.status_code, response.headers, await _beginning(response))
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


async def _beginning(response: httpx2.Response) -> bytes:
    """The first bytes of the body. The status stands already: what goes wrong here only ends the reading."""
    body = b""
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - the other kind is not for async transports
    try:
        async with asyncio.timeout(READ_FOR):
            async for chunk in response.stream:
                body += chunk
                if len(body) > READ_AT_MOST:
                    break
    except (httpx2.TransportError, TimeoutError):
        pass
    return body[:READ_AT_MOST]


def reason(error: BaseException) -> str:
    """Why there is no connection or answer, in the operating system's words where it said something."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    for cause in reversed(chain):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    words = "".join(character for character in str(error) if character.isprintable())
    return words[:200] or type(error).__name__
