"""The MQTT output keeps the contract of outputs, with a real broker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from bridge.testing.brokers import Mosquitto, Subscriber
from bridge.testing.contract import Arrived, OutputContract
from bridge_mqtt.output import Mqtt


class TestMqtt(OutputContract):
    """What arrived is what a subscriber has; its session outlives an outage."""

    output = Mqtt
    wrong = (
        ("url", "http://127.0.0.1"),
        ("protocol", "4"),
        ("base", "a/#"),
        ("homeassistant_prefix", ""),
        ("ca", "/nowhere"),
    )
    deliveries = 1500

    def reach(self, folder: Path) -> Mapping[str, Any]:
        if reason := Mosquitto.missing():
            pytest.skip(reason)
        self.broker = Mosquitto(folder / "broker")
        self.broker.start()
        self.subscriber = Subscriber(self.broker, "boxbridge/#").__enter__()
        return {"url": self.broker.url, "username": "boxbridge", "password": "s3cret!"}

    def cut(self) -> None:
        self.broker.stop()

    def mend(self) -> None:
        self.broker.start()
        self.subscriber.wait_subscribed()

    def freeze(self) -> None:
        self.broker.freeze()

    def thaw(self) -> None:
        self.broker.thaw()

    def refuse(self) -> None:
        """It takes nothing but the output's own state."""
        allowed = self.broker.folder / "allowed"
        allowed.write_text("topic readwrite boxbridge/plant-a/state\n")
        self.broker.stop()
        self.broker.settings += f"\nacl_file {allowed}"
        self.broker.start()

    def arrived(self) -> Iterable[Arrived]:
        pictures: dict[str, list[bytes]] = {}
        for message in tuple(self.subscriber.messages):
            if "/picture" in message.topic:
                pictures.setdefault(message.properties["id"], []).append(message.payload)
            elif message.topic.endswith("/event"):
                event = json.decode(message.payload)["id"]
                yield Arrived(id=event, document=message.payload, pictures=tuple(pictures.get(event, ())))

    def leave(self) -> None:
        self.subscriber.__exit__()
        self.broker.stop()
