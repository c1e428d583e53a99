"""The MQTT output: events and their pictures to a broker."""

from __future__ import annotations

from bridge import Output, hookimpl
from bridge_mqtt.output import Mqtt


@hookimpl
def register_outputs() -> list[type[Output]]:
    """Bring `type = "mqtt"`."""
    return [Mqtt]
