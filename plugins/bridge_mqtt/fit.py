"""The fit planner: what of an event goes to the broker whole, what smaller, and what not at all, and why.

Each message is held against the broker's largest packet before anything is published: one that is too large would
cost the connection, and with it everything under way.
"""

from __future__ import annotations

import io
import math
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bridge import Delivery, Event, Picture, PictureLost, Rejected, Threads, escape
from bridge_mqtt.limits import Limits
from bridge_mqtt.message import Message, in_bytes
from bridge_mqtt.options import Options
from bridge_mqtt.topics import Topics

_DOCUMENT: Final = "application/cloudevents+json"
_REDUCED: Final = "image/jpeg"
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
"""Pillow has decoders for much more, which no box sends and somebody might make use of."""
_MOST_PIXELS: Final = 20_000_000
"""Of a picture that is made smaller: decoded it takes three bytes a pixel."""
_TRIES: Final = 6
_QUALITY: Final = 80
_SMALLEST: Final = 64
"""Pixels of a side below which nobody recognizes anything."""
_BASE64: Final = 3 / 4
_ENTRY: Final = 64
"""Bytes, at most, of what stands around a picture in the document."""


Draw = Callable[[Event], Awaitable[bytes | None]]
"""Makes the annotated copy of an event's scene."""


class Plan(Struct, frozen=True):
    """What is published for an event, in order, and what of it is not as it was."""

    messages: list[Message]
    less: list[str]


class Planner:
    """Plans events for one output. Pictures are made smaller in a thread."""

    def __init__(self, options: Options, topics: Topics, annotated: Draw, threads: Threads) -> None:
        self._options = options
        self._topics = topics
        self._annotated = annotated
        self._threads = threads
        self._expiry = round(options.message_expiry)

    async def plan(self, delivery: Delivery, limits: Limits) -> Plan:
        """The event's messages; raises Rejected where the document alone is larger than a packet may be."""
        event = delivery.event
        identity = _identity(event)
        messages: list[Message] = []
        less: list[str] = []
        if self._options.picture == "topic" and event.pictures:
            for topic, picture in self._topics.pictures(event, late=delivery.late):
                around = self._message(delivery, topic, picture, identity).size if limits.packet else 0
                fitted, reduced = await self._picture(picture, limits.packet, around, less)
                if fitted is not None:
                    messages.append(self._message(delivery, topic, picture, identity, fitted, reduced=reduced))
        if self._options.annotated:
            messages += await self._drawn(delivery, limits.packet, identity, less)
        document = Message(
            topic=self._topics.event(event, late=delivery.late),
            payload=delivery.with_links(),
            content_type=_DOCUMENT,
            user_properties=(*identity, *_attempt(delivery)),
            expiry=self._expiry,
        )
        if self._options.picture == "inline" and event.pictures:
            inside = await self._inline(delivery, limits.packet, document.size, less)
            document = replace(document, payload=inside)
        if less:
            told = tuple(("picture", _printable(reason)) for reason in less)
            document = replace(document, user_properties=(*document.user_properties, *told))
        if limits.packet is not None and document.size > limits.packet:
            raise Rejected(f"the event document: {_too_large(document.size, limits.packet)}")
        return Plan([*messages, document], less)

    async def _drawn(
        self, delivery: Delivery, limit: int | None, identity: tuple[tuple[str, str], ...], less: list[str]
    ) -> list[Message]:
        """The annotated copy of the scene, where there is one and it fits."""
        try:
            drawn = await self._annotated(delivery.event)
        except PictureLost:  # said of the scene itself
            return []
        if drawn is None:
            return []
        message = Message(
            topic=self._topics.annotated(delivery.event, late=delivery.late),
            payload=drawn,
            retain=self._retained(delivery),
            content_type=_REDUCED,
            user_properties=identity,
            expiry=self._expiry,
        )
        if limit is None or message.size <= limit:
            return [message]
        less.append(f"annotated: left out, {_too_large(message.size, limit)}")
        return []

    def topics(self, delivery: Delivery, limits: Limits | None) -> list[str]:
        """Where an event is published; with the broker's limits, without the pictures that it has no room for."""
        event, late = delivery.event, delivery.late
        pictures = self._topics.pictures(event, late=late) if self._options.picture == "topic" else ()
        packet = limits.packet if limits and self._options.fit != "reduce" else None
        identity = _identity(event)
        sizes = ((topic, self._message(delivery, topic, picture, identity).size + picture.size)
                 for topic, picture in pictures)  # fmt: skip
        there = [topic for topic, size in sizes if packet is None or size <= packet]
        drawn = [self._topics.annotated(event, late=late)] if self._options.annotated and event.scene else []
        return [*there, *drawn, self._topics.event(event, late=late)]

    def _message(
        self,
        delivery: Delivery,
        topic: str,
        picture: Picture,
        identity: tuple[tuple[str, str], ...],
        data: bytes = b"",
        *,
        reduced: bool = False,
    ) -> Message:
        """A picture's."""
        return Message(
            topic=topic,
            payload=data,
            retain=self._retained(delivery) and picture is delivery.event.scene,
            content_type=_REDUCED if reduced else picture.media_type,
            user_properties=identity,
            expiry=self._expiry,
        )

    def _retained(self, delivery: Delivery) -> bool:
        return self._options.retain_picture and not (delivery.late or delivery.test)

    async def _inline(self, delivery: Delivery, limit: int | None, size: int, less: list[str]) -> bytes:
        """The document with as many of its pictures inside as there is room for, the first ones first."""
        inside: dict[int, bytes] = {}
        for place, picture in enumerate(delivery.event.pictures):
            told = 256 * (len(less) + 1)  # room for saying why one was left out
            data, _ = await self._picture(picture, limit, size + told + _ENTRY, less, share=_BASE64)
            if data is not None:
                inside[place] = data
                size += math.ceil(len(data) / _BASE64) + _ENTRY
        return delivery.with_pictures(inside)

    async def _picture(
        self, picture: Picture, limit: int | None, around: int, less: list[str], share: float = 1
    ) -> tuple[bytes | None, bool]:
        """A picture's bytes as they fit beside `around` bytes, and whether they were reduced; None where left out."""
        try:
            data = await picture.read()
        except PictureLost as error:
            less.append(f"{picture.role}: left out, {error}")
            return None, False
        room = None if limit is None else int((limit - around) * share)
        if room is None or limit is None or len(data) <= room:
            return data, False
        too_large = _too_large(around + math.ceil(len(data) / share), limit)
        if self._options.fit == "reduce":
            smaller, size = await self._threads.run(_reducing(data, room))
            if smaller is not None:
                less.append(f"{picture.role}: reduced to {size}, {in_bytes(len(smaller))}; {too_large}")
                return smaller, True
            too_large = f"{too_large}, and can't be reduced to fit"
        less.append(f"{picture.role}: left out, {too_large}")
        return None, False


def _reducing(data: bytes, room: int) -> Callable[[], tuple[bytes | None, str]]:
    return lambda: reduced(data, room)


def reduced(data: bytes, room: int) -> tuple[bytes | None, str]:
    """A JPEG of the same picture that takes no more than so many bytes, and its size in pixels; blocks.

    None where there is none that anybody would recognize, or where the bytes are no picture, or one of too many pixels.
    """
    from PIL import Image  # noqa: PLC0415 - an extra: only who asks for it needs it

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None, ""
            whole = opened.convert("RGB")
    except Exception:  # noqa: BLE001 - of bytes that are no picture Pillow raises anything
        return None, ""
    scale = min(1.0, math.sqrt(max(0, room) / len(data)))
    for _ in range(_TRIES):
        size = (round(whole.width * scale), round(whole.height * scale))
        if min(size) < _SMALLEST:
            break
        target = io.BytesIO()
        whole.resize(size).save(target, "JPEG", quality=_QUALITY)
        if target.tell() <= room:
            return target.getvalue(), f"{size[0]}x{size[1]}"
        scale *= min(0.9, math.sqrt(room / target.tell()) * 0.95)
    return None, ""


def _identity(event: Event) -> tuple[tuple[str, str], ...]:
    return (("id", event.id), ("kind", _printable(event.kind)))


def _attempt(delivery: Delivery) -> tuple[tuple[str, str], ...]:
    """What belongs to this delivery alone, and so is not in the document."""
    marks = (("replayed", delivery.replayed), ("late", delivery.late), ("test", delivery.test))
    skipped = (("skipped", str(delivery.skipped)),) if delivery.skipped else ()
    return (("attempt", str(delivery.attempt)), *skipped, *((name, "true") for name, holds in marks if holds))


def _too_large(size: int, limit: int) -> str:
    return f"{in_bytes(size)} is larger than the broker's packets of {in_bytes(limit)}"


def _printable(text: str) -> str:
    """Text as a user property may carry it: no control characters, not endless."""
    return text[:256] if text.isprintable() else escape(text[:256])
