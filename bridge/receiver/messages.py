"""The pushes that come as messages of one WebSocket."""

from __future__ import annotations

import msgspec
import structlog

from bridge.event import utc_now
from bridge.normalizer import Push
from bridge.receiver.budget import BodyBudget
from bridge.receiver.intake import Intake

log = structlog.get_logger("boxbridge.receiver")


class Messages:
    """Makes a push of each message, as if it had come by the request that opened the connection."""

    def __init__(self, intake: Intake, budget: BodyBudget, opening: Push) -> None:
        self.budget = budget
        self._intake = intake
        headers = {
            name: value
            for name, value in opening.headers.items()
            if name not in ("connection", "upgrade") and not name.startswith("sec-websocket-")
        }
        self._opening = msgspec.structs.replace(opening, headers=headers, transport="websocket")

    def limit(self) -> int:
        """Bytes that one message may have."""
        return int(self._intake.settings.server.max_body)

    async def take(self, message: bytes) -> bytes:
        """Store a message; the answer to it."""
        push = msgspec.structs.replace(self._opening, body=message, received=utc_now())
        try:
            return (await self._intake.take(push)).body
        except Exception:  # a fault of ours or of a plugin; the device gets an answer that it understands
            log.exception("push failed", path=push.path)
            return self._intake.refuse(push, 500, "internal error, see the log").body

    def refuse(self, status: int, reason: str) -> bytes:
        """The answer to a message that was not received whole."""
        return self._intake.refuse(self._opening, status, reason).body
