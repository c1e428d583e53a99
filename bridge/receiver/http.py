"""The devices' listener: a Starlette application that reads a push within its bounds and hands it to the intake."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

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
    budget = BodyBudget(lambda: max(BODIES_BYTES, intake.settings.server.max_body))

    async def endpoint(request: Request) -> Response:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return _response(intake.probe(_push(request, b"")))
        return await _take(request, intake, budget)

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=_METHODS)])


async def _take(request: Request, intake: Intake, budget: BodyBudget) -> Response:
    stream, claim = _Stream(request), budget.claim()
    try:
        body = await _read(stream, intake.settings.server.max_body, claim)
        return _response(await intake.take(_push(request, body)))
    except (TooLarge, Busy) as error:
        claim.give_back()
        await _discard(stream)
        status = 413 if isinstance(error, TooLarge) else 503
        return _response(intake.refuse(_push(request, b""), status, str(error)), close=True)
    except ClientDisconnect:
        answer = intake.refuse(_push(request, b""), 400, "cut short: the connection ended before the body did")
        return _response(answer, close=True)  # nobody reads it
    except Exception:  # a fault of ours or of a plugin; the device gets an answer that it understands
        log.exception("push failed", path=request.scope["path"])
        return _response(intake.refuse(_push(request, b""), 500, "internal error, see the log"), close=True)
    finally:
        claim.give_back()


class _Stream:
    """A body as it comes; one that waits for its next piece may be cancelled, and goes on afterwards."""

    def __init__(self, request: Request) -> None:
        headers = request.headers
        self.declared = headers.get("content-length", "")
        self.more = "expect" not in headers
        """Whether more is coming, or may come without being asked for."""
        self._receive = request.receive

    async def next(self) -> bytes:
        """The next piece; raises ClientDisconnect."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.more = message["more_body"]
        return message["body"]  # type: ignore[no-any-return]


async def _read(stream: _Stream, limit: int, claim: Claim) -> bytes:
    """The whole body; raises TooLarge, Busy or ClientDisconnect."""
    if stream.declared.isdecimal() and int(stream.declared) > limit:
        raise TooLarge(f"too large: the body has {stream.declared} bytes; max_body is {limit}")
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


def _push(request: Request, body: bytes) -> Push:
    return Push(
        method=request.method,
        path=request.scope["path"],
        query=request.scope["query_string"].decode("latin-1"),
        headers=_without_credentials(request.scope["headers"]),
        body=body,
        peer=request.client.host if request.client else "",
        received=utc_now(),
    )


def _without_credentials(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name not in _CREDENTIALS}


def _response(answer: Answer, *, close: bool = False) -> Response:
    headers = {"connection": "close"} if close else {}
    if answer.status == 503:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return Response(answer.body, answer.status, headers, answer.content_type)
