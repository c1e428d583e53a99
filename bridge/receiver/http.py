"""The devices' listener: a Starlette application that reads a push within its bounds and hands it to the intake."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.event import utc_now
from bridge.normalizer import Answer, Push
from bridge.receiver.budget import BodyBudget, Busy, Claim
from bridge.receiver.guard import TooLarge
from bridge.receiver.intake import Intake

log = structlog.get_logger("boxbridge.receiver")

BODIES_BYTES: Final = 64_000_000
"""Bytes of bodies that are received at once, over all connections."""
DISCARDED_BYTES: Final = 64_000_000
"""How much of a refused body is read all the same."""
RETRY_AFTER_SECONDS: Final = 5
_CREDENTIALS: Final = frozenset({b"authorization", b"proxy-authorization", b"cookie", b"x-api-key"})
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def application(intake: Intake) -> Starlette:
    """The application: any path, any method."""
    return Starlette(routes=[Route("/{path:path}", Door(intake), methods=_METHODS)])


class Door:
    """What is behind the one route. It speaks ASGI itself: request and response objects cost more than they bring."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._budget = BodyBudget(lambda: max(BODIES_BYTES, intake.settings.server.max_body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await _send(send, self._intake.probe(_push(scope, b"")))
        else:
            await self._take(scope, _Stream(scope, receive), send)

    async def _take(self, scope: Scope, stream: _Stream, send: Send) -> None:
        claim = self._budget.claim()
        try:
            body = await _read(stream, self._intake.settings.server.max_body, claim)
            await _send(send, await self._intake.take(_push(scope, body)))
        except (TooLarge, Busy) as error:
            claim.give_back()
            await _discard(stream)
            status = 413 if isinstance(error, TooLarge) else 503
            await self._refuse(scope, send, status, str(error))
        except ClientDisconnect:  # nobody reads the answer, but it is counted
            await self._refuse(scope, send, 400, "cut short: the connection ended before the body did")
        except Exception:  # a fault of ours or of a plugin; the device gets an answer that it understands
            log.exception("push failed", path=scope["path"])
            await self._refuse(scope, send, 500, "internal error, see the log")
        finally:
            claim.give_back()

    async def _refuse(self, scope: Scope, send: Send, status: int, reason: str) -> None:
        await _send(send, self._intake.refuse(_push(scope, b""), status, reason), (b"connection", b"close"))


class _Stream:
    """A body as it comes; one that waits for its next piece may be cancelled, and goes on afterwards."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self.declared: bytes = headers.get(b"content-length", b"")
        self.more = b"expect" not in headers
        """Whether more is coming, or may come without being asked for."""
        self._receive = receive

    async def next(self) -> bytes:
        """The next piece; raises ClientDisconnect."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.more = message["more_body"]
        return message["body"]  # type: ignore[no-any-return]


async def _read(stream: _Stream, limit: int, claim: Claim) -> bytes:
    """The whole body; raises TooLarge, Busy or ClientDisconnect."""
    if stream.declared.isdigit() and int(stream.declared) > limit:
        raise TooLarge(f"too large: the body has {int(stream.declared)} bytes; max_body is {limit}")
    stream.more = True
    chunks: list[bytes] = []
    size = 0
    try:
        while stream.more:
            chunk = await stream.next()
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"too large: the body has more than {limit} bytes (max_body)")
            claim.grow(size)
            chunks.append(chunk)
    except asyncio.CancelledError:
        claim.raise_if_evicted()
        raise
    claim.end_growth()
    return b"".join(chunks)


async def _discard(stream: _Stream) -> None:
    """Read on for a while: a sender that is cut off while it still sends never sees the answer."""
    size = 0
    with contextlib.suppress(ClientDisconnect):
        while stream.more and size <= DISCARDED_BYTES:
            size += len(await stream.next())


def _push(scope: Scope, body: bytes) -> Push:
    return Push(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=_without_credentials(scope["headers"]),
        body=body,
        peer=scope["client"][0] if scope["client"] else "",
        received=utc_now(),
    )


def _without_credentials(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name not in _CREDENTIALS}


async def _send(send: Send, answer: Answer, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", answer.content_type.encode("latin-1")),
        (b"content-length", str(len(answer.body)).encode()),
        *more,
    ]
    if answer.status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
