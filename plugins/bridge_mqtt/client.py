"""paho's client, with publishing at QoS 1 made lean for a connection that is used once.

paho keeps each message to send it again on the next connection, with a lock and a condition variable for each, copies
its payload twice, and makes objects of a reason and of properties that nearly no acknowledgement has. Here a payload
goes from the event to the socket as it is, small packets leave together, and acknowledgements are read as they stand.
All the rest of the protocol is paho's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Final, Literal

from paho.mqtt.client import Client
from paho.mqtt.enums import MessageType, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bridge_mqtt import refusal
from bridge_mqtt.message import in_bytes

_READ_AHEAD: Final = 4096
LARGEST: Final = 1_000_000
"""Bytes of the largest packet that is taken from a broker, which has little to say: what it claims is not gathered."""
_TOGETHER: Final = 65536
"""Bytes of small packets that leave at once; a larger payload leaves by itself, uncopied."""
_TAKEN: Final = re.compile(rb"\x40(?:\x02(..)|\x03(..)[\x00\x10])", re.DOTALL)
"""An acknowledgement, with the message id: without a reason, or with that of success or of nobody who subscribed."""


class LeanClient(Client):
    """`send` publishes; `on_acknowledged` is told the message id, and what a refusal means."""

    on_acknowledged: Callable[[int, BaseException | None], None]
    read_ahead = b""

    def free_mid(self, taken: Container[int]) -> int:
        """A message id that no unacknowledged message has; there must be one."""
        while (mid := self._mid_generate()) in taken:
            pass
        return mid

    def send(self, head: bytes, payload: bytes) -> None:
        """Queue a packet: what stands before the payload, and the payload."""
        if len(payload) < _TOGETHER:
            self._queue_small(head + payload)
        else:
            self._queue_small(head)
            self._packet_queue(MessageType.PUBLISH, memoryview(payload), 0, 1)  # type: ignore[arg-type]

    def _queue_small(self, packet: bytes) -> None:
        last = self._out_packet[-1] if self._out_packet else None
        # Only `send` queues at QoS 1: nothing is added to a packet of paho's own.
        if last and last["qos"] and isinstance(last["packet"], bytearray) and len(last["packet"]) < _TOGETHER:
            last["packet"] += packet
            last["to_process"] += len(packet)
        else:
            self._packet_queue(MessageType.PUBLISH, bytearray(packet), 0, 1)

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > LARGEST:
            raise OSError(f"the broker sends a packet of {in_bytes(bufsize)}")
        if not self.read_ahead:
            self.read_ahead = super()._sock_recv(max(bufsize, _READ_AHEAD))
        piece, self.read_ahead = self.read_ahead[:bufsize], self.read_ahead[bufsize:]
        return piece

    def _packet_read(self) -> MQTTErrorCode:
        result = super()._packet_read()
        if not self._in_packet["command"]:  # between two packets
            self._read_acknowledgements()
        return result

    def _read_acknowledgements(self) -> None:
        read, place = self.read_ahead, 0
        while taken := _TAKEN.match(read, place):
            self.on_acknowledged(int.from_bytes(taken[1] or taken[2], "big"), None)
            place = taken.end()
        self.read_ahead = read[place:]

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        packet = bytes(self._in_packet["packet"])
        if cmd == "PUBCOMP" or len(packet) < 2:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        try:
            told = _told(packet[2:]) if len(packet) > 2 else None
        except Exception:  # noqa: BLE001 - paho's reading of what makes no sense raises anything
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        refused = refusal.of_message(*told) if told and told[0].is_failure else None
        self.on_acknowledged(int.from_bytes(packet[:2], "big"), refused)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _told(told: bytes) -> tuple[ReasonCode, Properties]:
    """What a PUBACK says after the message id; nothing at all would be success."""
    reason = ReasonCode(PacketTypes.PUBACK, "Success")
    reason.unpack(told)
    properties = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]
    if len(told) > 1:
        properties.unpack(told[1:])  # type: ignore[no-untyped-call]
    return reason, properties
