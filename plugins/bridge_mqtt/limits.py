"""What a broker said at CONNECT that it takes, and how that reads."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bridge_mqtt.message import in_bytes

_ANY_NUMBER = 65535


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of one connection."""

    packet: int | None = None
    """Bytes of the largest packet that the broker takes; None where nobody says."""
    under_way: int = _ANY_NUMBER
    """Messages that may be unacknowledged at a time."""
    retained: bool = True
    """Whether the broker keeps messages for those who subscribe later."""
    acknowledged: bool = True
    """Whether it takes messages at QoS 1."""

    def __str__(self) -> str:
        told = [f"packets up to {in_bytes(self.packet)}"] if self.packet else []
        if self.under_way != _ANY_NUMBER:
            told.append(f"{self.under_way} messages under way at a time")
        if not self.retained:
            told.append("no retained messages")
        return ", ".join(told)


def told(connack: Any, largest: int | None) -> Limits:
    """What the properties of a CONNACK say, None with 3.1.1; `largest`: the largest packet that the owner allows."""
    said = getattr(connack, "MaximumPacketSize", None)
    return Limits(
        packet=min((size for size in (said, largest) if size), default=None),
        under_way=getattr(connack, "ReceiveMaximum", _ANY_NUMBER),
        retained=bool(getattr(connack, "RetainAvailable", 1)),
        acknowledged=getattr(connack, "MaximumQoS", 2) >= 1,
    )
