"""The MQTT output: what is published for an event, on which topics, and what each failure means."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from collections.abc import Callable

from bridge import Delivery, Event, Output, OutputContext, PictureLost, Rejected, Threads, Unavailable, escape
from bridge_mqtt.connection import Connection
from bridge_mqtt.message import Message, in_bytes
from bridge_mqtt.options import Options
from bridge_mqtt.refusal import VersionRefused
from bridge_mqtt.topics import Topics

_DOCUMENT = "application/cloudevents+json"
_DIALS_AT_ONCE = 4
"""A name look-up may hang long after it was given up: so many may, before the next has to wait for one to end."""


class Mqtt(Output):
    """Publishes each event, after its pictures, to an MQTT broker."""

    type = "mqtt"
    Options = Options

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        self.options: Options
        self._topics = Topics(self.options.base, self.site)
        self._dialling = Threads(f"mqtt-{self.name}", _DIALS_AT_ONCE)
        self._connection: Connection | None = None
        self._turn = _done()

    @classmethod
    def holds(cls, context: OutputContext) -> dict[str, str]:
        """Its name at the broker, where the configuration gives one: two clients of one name throw each other out."""
        options: Options = context.options
        return {"client_id": f"client {options.client_id} at {options.url}"} if options.client_id else {}

    async def open(self) -> str:
        """Connect and say `online`; returns the version and the largest packet."""
        connection = await self._connect(self._client_id(), self._state("offline"), self._gone)
        try:
            await connection.publish(self._state("online"))
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._turn = _done()
        return str(connection)

    async def deliver(self, delivery: Delivery) -> None:
        """Publish pictures and event; returns when the broker has acknowledged every one of them."""
        connection = self._connection
        if connection is None:
            raise Unavailable("not connected")
        # Pictures are read at the same time, but published in the order of the deliveries: the retained one is the
        # latest, and each event follows its own pictures directly.
        before, self._turn = self._turn, asyncio.Event()
        mine = self._turn
        try:
            messages = await self._messages(delivery, connection)
            await before.wait()
            acknowledged = connection.publish(*messages)
        finally:
            mine.set()
        await acknowledged

    def where(self, delivery: Delivery) -> str:
        """The topics that an event was published on; a picture that was left out is named all the same."""
        event, late = delivery.event, delivery.late
        pictures = self._topics.pictures(event, late=late) if self.options.picture == "topic" else ()
        drawn = [self._topics.annotated(event, late=late)] if self.options.annotated and event.scene else []
        return "\n".join([*(topic for topic, _ in pictures), *drawn, self._topics.event(event, late=late)])

    async def close(self) -> None:
        """Say `stopped` and disconnect."""
        connection, self._connection = self._connection, None
        if connection:
            await connection.close(self._state("stopped"))

    async def check(self) -> str:
        """Connect under another name, so that a running daemon keeps its connection; publishes nothing."""
        connection = await self._connect(f"{self._client_id()}-check", None, lambda _reason: None)
        await connection.close()
        return str(connection)

    def _gone(self, reason: BaseException) -> None:
        if self._connection:  # else `open` is still under way, and raises it
            self.lost(reason)

    async def _connect(self, client_id: str, will: Message | None, lost: Callable[[BaseException], None]) -> Connection:
        first, *others = ("5", "3.1.1") if self.options.protocol == "auto" else (self.options.protocol,)
        try:
            return await self._connect_with(first, client_id, will, lost)
        except VersionRefused:
            if not others:
                raise
        return await self._connect_with(others[0], client_id, will, lost)

    async def _connect_with(
        self, protocol: str, client_id: str, will: Message | None, lost: Callable[[BaseException], None]
    ) -> Connection:
        connection = Connection(self.options, protocol, client_id, will, lost, self._dialling, self.log)
        await connection.open()
        return connection

    async def _messages(self, delivery: Delivery, connection: Connection) -> list[Message]:
        """The event's messages in their order; raises Rejected where the document is larger than a packet may be."""
        event = delivery.event
        identity = (("id", event.id), ("kind", _printable(event.kind)))
        messages: list[Message] = []
        left_out: list[str] = []
        pictures = self._topics.pictures(event, late=delivery.late) if self.options.picture == "topic" else ()
        for topic, picture in pictures:
            try:
                message = Message(
                    topic=topic,
                    payload=await picture.read(),
                    retain=self.options.retain_picture
                    and picture is event.scene
                    and not (delivery.late or delivery.test),
                    content_type=picture.media_type,
                    user_properties=identity,
                )
            except PictureLost as error:
                left_out.append(f"{picture.role}: {error}")
                continue
            if _fits(message, connection.max_packet):
                messages.append(message)
            else:
                left_out.append(f"{picture.role}: {_too_large(message, connection.max_packet)}")
        if self.options.annotated and (drawn := await self._annotated(event)) is not None:
            message = Message(
                topic=self._topics.annotated(event, late=delivery.late),
                payload=drawn,
                retain=self.options.retain_picture and not (delivery.late or delivery.test),
                content_type="image/jpeg",
                user_properties=identity,
            )
            if _fits(message, connection.max_packet):
                messages.append(message)
            else:
                left_out.append(f"annotated: {_too_large(message, connection.max_packet)}")
        if left_out:
            self.log.warning("picture left out", event_id=event.id, reasons=left_out)
        document = Message(
            topic=self._topics.event(event, late=delivery.late),
            payload=delivery.document,
            content_type=_DOCUMENT,
            user_properties=(*identity, *_attempt(delivery), *(("picture", _printable(reason)) for reason in left_out)),
        )
        if not _fits(document, connection.max_packet):
            raise Rejected(f"the event document: {_too_large(document, connection.max_packet)}")
        return [*messages, document]

    async def _annotated(self, event: Event) -> bytes | None:
        try:
            return await self.annotated(event)
        except PictureLost:  # said of the scene itself
            return None

    def _state(self, state: str) -> Message:
        return Message(topic=self._topics.state, payload=state.encode(), retain=True)

    def _client_id(self) -> str:
        """Stable, and another for each site, output, host and data folder: brokers allow one connection an id."""
        if self.options.client_id:
            return self.options.client_id
        whole = "\0".join((self.site, self.name, socket.gethostname(), str(self.data.absolute())))
        digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        readable = (re.sub(r"[^A-Za-z0-9_-]", "", part)[:20] for part in (self.site, self.name))
        return "-".join(part for part in ("boxbridge", *readable, digest) if part)


def _done() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _attempt(delivery: Delivery) -> tuple[tuple[str, str], ...]:
    """What belongs to this delivery alone, and so is not in the document."""
    marks = (("replayed", delivery.replayed), ("late", delivery.late), ("test", delivery.test))
    skipped = (("skipped", str(delivery.skipped)),) if delivery.skipped else ()
    return (("attempt", str(delivery.attempt)), *skipped, *((name, "true") for name, holds in marks if holds))


def _fits(message: Message, limit: int | None) -> bool:
    return limit is None or message.size <= limit


def _too_large(message: Message, limit: int | None) -> str:
    return f"{in_bytes(message.size)} is larger than the broker's packets of {in_bytes(limit or 0)}"


def _printable(text: str) -> str:
    """Text as a user property may carry it: no control characters, not endless."""
    return text[:256] if text.isprintable() else escape(text[:256])
