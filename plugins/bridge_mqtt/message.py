"""What is published: a message with all that belongs to it, and the room that its packet takes."""

from __future__ import annotations

from msgspec import Struct
from paho.mqtt.properties import Properties


class Message(Struct, frozen=True, kw_only=True):
    """A message at QoS 1. Content type and user properties travel with MQTT 5 only."""

    topic: str
    payload: bytes
    retain: bool = False
    content_type: str = ""
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its packet at most, headers and properties included."""
        properties = sum(5 + len(name.encode()) + len(value.encode()) for name, value in self.user_properties)
        return 16 + len(self.topic.encode()) + len(self.content_type) + properties + len(self.payload)

    @property
    def properties(self) -> Properties:
        """Content type and user properties as paho wants them; raises ValueError where MQTT has no room for them."""
        return _Packed(self)


class _Packed(Properties):
    """The properties of a PUBLISH in the form they are sent in: paho's own packing takes 30 us a message."""

    packed: bytes

    def __init__(self, message: Message) -> None:
        packed = b"\x03" + _text(message.content_type) if message.content_type else b""
        packed += b"".join([b"\x26" + _text(name) + _text(value) for name, value in message.user_properties])
        # Past the checks of the base class, which knows only properties by name.
        object.__setattr__(self, "packed", _length(len(packed)) + packed)

    def pack(self) -> bytes:
        """Return length and properties."""
        return self.packed


def _text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 65535:
        raise ValueError(f"{len(encoded)} bytes in one property; MQTT takes 65535")
    return len(encoded).to_bytes(2, "big") + encoded


def _length(length: int) -> bytes:
    """MQTT's variable byte integer."""
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
