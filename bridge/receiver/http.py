"""The devices' listener: a Starlette application that reads a push within its bounds and hands it to the intake."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.event import utc_now
from bridge.normalizer import Answer, Push
from bridge.receiver.guard import BodyBudget, Busy, TooLarge
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
    budget = BodyBudget(max(BODIES_BYTES, intake.settings.server.max_body))

    async def endpoint(request: Request) -> Response:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return _response(intake.probe(_push(request, b"")))
        return await _take(request, intake, budget)

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=_METHODS)])


async def _take(request: Request, intake: Intake, budget: BodyBudget) -> Response:
    claimed = Claim(budget)
    stream = request.stream()
    try:
        body = await _read(request, stream, intake.settings.server.max_body, claimed)
        return _response(await intake.take(_push(request, body)))
    except (TooLarge, Busy) as error:
        await _discard(request, stream)
        status = 413 if isinstance(error, TooLarge) else 503
        return _response(intake.refuse(_push(request, b""), status, str(error)), close=True)
    except ClientDisconnect:
        answer = intake.refuse(_push(request, b""), 400, "cut short: the connection ended before the body did")
        return _response(answer, close=True)  # nobody reads it
    except Exception:  # a fault of ours or of a plugin; the device gets an answer that it understands
        log.exception("push failed", path=request.scope["path"])
        return _response(intake.refuse(_push(request, b""), 500, "internal error, see the log"), close=True)
    finally:
        claimed.give_back()


class Claim:
    """What one request holds of the budget."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._size = 0

    def grow(self, size: int) -> None:
        """Claim up to so many bytes in all; raises Busy."""
        if size > self._size:
            self._budget.take(size - self._size)
            self._size = size

    def give_back(self) -> None:
        """The request is answered."""
        self._budget.give_back(self._size)
        self._size = 0


async def _read(request: Request, stream: AsyncGenerator[bytes, None], limit: int, claim: Claim) -> bytes:
    """The whole body; raises TooLarge, Busy or ClientDisconnect."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        if int(declared) > limit:
            raise TooLarge(f"the body has {declared} bytes; max_body is {limit}")
        claim.grow(int(declared))
    chunks: list[bytes] = []
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body has more than {limit} (max_body)")
        claim.grow(size)
        chunks.append(chunk)
    return b"".join(chunks)


async def _discard(request: Request, stream: AsyncGenerator[bytes, None]) -> None:
    """Read on for a while: a sender that is cut off while it still sends never sees the answer."""
    if "expect" in request.headers:
        return  # it has not begun to send
    size = 0
    with contextlib.suppress(ClientDisconnect):
        async for chunk in stream:
            size += len(chunk)
            if size > DISCARDED_BYTES:
                return


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
