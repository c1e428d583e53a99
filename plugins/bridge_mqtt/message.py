"""What is published: a message with all that belongs to it, and the room that its packet takes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

_REMEMBERED: Final = 1024
"""Topics that are packed already."""
_FEW: Final = 64
"""Properties that are: nearly all but the ids of events come again and again, and those soon or never."""


class Message(Struct, frozen=True, kw_only=True):
    """A message at QoS 1. Content type, expiry and user properties travel with MQTT 5 only."""

    topic: str
    payload: bytes
    retain: bool = False
    content_type: str = ""
    user_properties: tuple[tuple[str, str], ...] = ()
    expiry: int = 0
    """Seconds after which the broker gives it to nobody any more; 0 for never."""

    @property
    def size(self) -> int:
        """Bytes of its packet at most, headers and properties included."""
        properties = sum(5 + len(name.encode()) + len(value.encode()) for name, value in self.user_properties)
        return 21 + len(self.topic.encode()) + len(self.content_type) + properties + len(self.payload)

    def head(self, mid: int, version: str) -> bytes:
        """Its packet as far as the payload; raises ValueError where MQTT has no room for its topic or properties."""
        properties = self._properties() if version == "5" else b""
        topic = _topic(self.topic)
        length = _length(len(topic) + 2 + len(properties) + len(self.payload))
        return b"".join((b"\x33" if self.retain else b"\x32", length, topic, mid.to_bytes(2, "big"), properties))

    def _properties(self) -> bytes:
        packed = _always(self.content_type, self.expiry) + b"".join(map(_user_property, self.user_properties))
        return _length(len(packed)) + packed


@lru_cache(_FEW)
def _always(content_type: str, expiry: int) -> bytes:
    """The properties that are the same for many messages."""
    packed = b"\x03" + _text(content_type) if content_type else b""
    return packed + b"\x02" + expiry.to_bytes(4, "big") if expiry else packed


@lru_cache(_FEW)
def _user_property(pair: tuple[str, str]) -> bytes:
    name, value = pair
    return b"\x26" + _text(name) + _text(value)


@lru_cache(_REMEMBERED)
def _topic(topic: str) -> bytes:
    return _text(topic)


def _text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 65535:
        raise ValueError(f"{len(encoded)} bytes in a topic or property; MQTT takes 65535")
    return len(encoded).to_bytes(2, "big") + encoded


def _length(length: int) -> bytes:
    """MQTT's variable byte integer, of four bytes at most."""
    if length >= 1 << 28:
        raise ValueError(f"{length} bytes in one packet; MQTT takes {(1 << 28) - 1}")
    if length < 128:
        return length.to_bytes(1, "big")
    digits = bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    digits.append(length)
    return bytes(digits)


def in_bytes(size: int) -> str:
    """A size as people write it: "2 MB"."""
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"
