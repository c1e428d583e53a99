"""The devices' door: an ASGI application that reads pushes within their bounds and hands them to the intake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from bridge.event import utc_now
from bridge.normalizer import Answer, Push
from bridge.receiver.answering import send_answer
from bridge.receiver.body import Body
from bridge.receiver.budget import BodyBudget, Broken, Busy, TooLarge
from bridge.receiver.intake import Intake
from bridge.receiver.messages import Messages
from bridge.receiver.seats import seats_for_devices

log = structlog.get_logger("boxbridge.receiver")

BODIES_BYTES: Final = 64_000_000
"""Bytes of bodies that are received at once, over all connections."""
_CREDENTIALS: Final = frozenset({b"authorization", b"proxy-authorization", b"cookie", b"x-api-key"})


class Door(Router):
    """The devices' application: a router whose default takes any path and any method, and a desk for WebSockets.

    The default speaks ASGI itself: request and response objects cost more than they bring; and no route stands before
    it, for there are paths (one with a line break) that no pattern of a route fits.
    """

    def __init__(self, intake: Intake) -> None:
        super().__init__(redirect_slashes=False, default=self._answer)
        self.seats = seats_for_devices()
        self._intake = intake
        self._budget = BodyBudget(BODIES_BYTES, lambda: max(BODIES_BYTES, intake.settings.server.max_body))

    def refusal(self, scope: Scope) -> str:
        """Why the sender of a request that opens a WebSocket may not push, which is counted; "" where it may."""
        reason = self._intake.admission.refusal(scope)
        if reason:
            self._intake.refuse(_push(scope), 403, reason)
        return reason

    def malformed(self, peer: str, reason: str) -> Answer:
        """The answer to bytes that are no request; they are counted as a push that is refused."""
        nothing = Push(method="", path="", query="", headers={}, body=b"", peer=peer, received=utc_now())
        return self._intake.refuse(nothing, 400, reason)

    def desk(self, scope: Scope) -> Messages:
        """Where the messages go of a WebSocket that this request opens."""
        return Messages(self._intake, self._budget, _push(scope))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: Body = scope["state"].pop("body")  # left there, scope and body would hold each other in memory
        if reason := self._intake.admission.refusal(scope):
            await body.discard()
            await self._refuse(scope, body, 403, reason)
        elif scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await send_answer(body.cycle, self._intake.probe(_push(scope)))
        else:
            await self._take(scope, body)

    async def _take(self, scope: Scope, body: Body) -> None:
        try:
            limit = int(self._intake.settings.server.max_body)  # in bytes, as it is said; a Size says what was written
            whole = await body.read(self._budget, limit, *_announced(scope))
            await send_answer(body.cycle, await self._intake.take(_push(scope, whole)))
        except (TooLarge, Busy) as error:
            await body.discard()
            status = 413 if isinstance(error, TooLarge) else 503
            await self._refuse(scope, body, status, str(error))
        except Broken as error:
            await self._refuse(scope, body, 400, str(error))
        except ClientDisconnect:  # nobody reads the answer, but it is counted
            await self._refuse(scope, body, 400, "cut short: the connection ended before the body did")
        except Exception:  # a fault of ours or of a plugin; the device gets an answer that it understands
            log.exception("push failed", path=scope["path"])
            await self._refuse(scope, body, 500, "internal error, see the log")
        finally:
            body.give_back()

    async def _refuse(self, scope: Scope, body: Body, status: int, reason: str) -> None:
        await send_answer(body.cycle, self._intake.refuse(_push(scope), status, reason), last=True)


def _announced(scope: Scope) -> tuple[bytes, bytes]:
    """The body's length and compression, as the sender says beforehand."""
    length = encoding = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name == b"content-encoding":
            encoding = value
    return length, encoding


def _push(scope: Scope, body: bytes = b"") -> Push:
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
