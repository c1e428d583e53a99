"""Outputs for the contract's own tests that keep every promise, an async and a plain one."""

from __future__ import annotations

import builtins
from typing import Annotated, Any, ClassVar

import httpx2
from msgspec import Meta, Struct, json

from bridge import Delivery, Output, OutputContext, Secret, outcome


class Message(Struct):
    """What is posted of an event."""

    id: str
    document: str
    pictures: list[bytes]


class Options(Struct, frozen=True, kw_only=True):
    """Where it posts to."""

    url: str
    key: Secret
    gate: Annotated[int, Meta(ge=1)] = 1


class Sound(Output):
    """Posts each event with its pictures, and keeps every promise."""

    type = "sound"
    Options: ClassVar[Any] = Options
    unavailable: ClassVar[tuple[builtins.type[BaseException], ...]] = (httpx2.TransportError,)

    async def open(self) -> str | None:
        """Make ready to connect."""
        self.client = httpx2.AsyncClient(headers={"X-Key": self.options.key.reveal()}, timeout=None)
        return None

    async def deliver(self, delivery: Delivery) -> str | None:
        """Post it."""
        pictures = [await picture.read() for picture in delivery.event.pictures]
        return await self.post(delivery.event.id, delivery.document, pictures)

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        """Post one message."""
        body = json.encode(Message(event_id, document.decode(), pictures))
        answer = await self.client.post(self.options.url, content=body)
        outcome(answer.status_code, answer.headers)
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose()


class Plain(Output):
    """The same as plain functions, one event at a time."""

    type = "plain"
    Options = Options
    unavailable: ClassVar[tuple[builtins.type[BaseException], ...]] = (httpx2.TransportError,)

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        self.client = httpx2.Client(timeout=10)

    def deliver(self, delivery: Delivery) -> None:
        """Post it."""
        event = delivery.event
        pictures = [picture.read_blocking() for picture in event.pictures]
        body = json.encode(Message(event.id, delivery.document.decode(), pictures))
        answer = self.client.post(self.options.url, content=body)
        outcome(answer.status_code, answer.headers)

    async def close(self) -> None:
        """Close all connections; the next delivery makes new ones."""
        self.client.close()
        self.client = httpx2.Client(timeout=10)
