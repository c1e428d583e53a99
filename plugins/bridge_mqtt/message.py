"""What is published: a message with all that belongs to it, and the room that its packet takes."""

from __future__ import annotations

from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes
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
        """Content type and user properties as paho wants them."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if self.content_type:
            properties.ContentType = self.content_type
        if self.user_properties:
            properties.UserProperty = list(self.user_properties)
        return properties


def in_bytes(size: int) -> str:
    """A size as people write it: "2 MB"."""
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"
