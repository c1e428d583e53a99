"""Home Assistant's documents: golden files, and its published rules field by field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge_mqtt import homeassistant
from bridge_mqtt.book import KnownChannel, KnownDevice
from bridge_mqtt.options import Options
from bridge_mqtt.topics import Topics

GOLDEN = Path(__file__).parents[2] / "data" / "homeassistant"

EVERY = {"platform", "unique_id", "default_entity_id", "name", "entity_category"}
ALLOWED = {
    "binary_sensor": EVERY | {"state_topic", "payload_on", "payload_off", "device_class"},
    "event": EVERY | {"state_topic", "event_types", "value_template"},
    "image": EVERY | {"image_topic", "content_type"},
    "sensor": EVERY | {"state_topic", "value_template", "device_class", "state_class"},
}
REQUIRED = {
    "binary_sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
    "image": {"image_topic"},
    "sensor": {"state_topic"},
}

PLAIN = KnownDevice(
    name="Gate 3",
    serial="DMB3160PWC21J00001",
    channels={"1": KnownChannel(name="东门", kinds=["pre_offvehicle"], counts=["车辆在场", "车辆离开"])},
)
MANY = KnownDevice(
    channels={
        "north": KnownChannel(kinds=["fire", "smoke"], counts=['a "quoted" one']),
        "南/门": KnownChannel(name="南门", kinds=["fire"]),
    },
)


def document(site: str, id_: str, device: KnownDevice, **options: Any) -> tuple[str, dict[str, Any]]:
    settings = Options(url="mqtt://broker", homeassistant=True, **options)
    topic, payload = homeassistant.document(settings, Topics("boxbridge", site), site, "0.1.0", id_, device)
    return topic, json.loads(payload)


CASES = pytest.mark.parametrize(
    ("golden", "site", "id_", "device", "options"),
    [
        ("gate-3", "plant-a", "gate-3", PLAIN, {}),
        ("many", "厂区/1", "盒子 1", MANY, {"picture": "none"}),
    ],
    ids=["gate-3", "many"],
)


@CASES
def test_a_document_is_as_the_golden_file(
    golden: str, site: str, id_: str, device: KnownDevice, options: dict[str, Any]
) -> None:
    topic, made = document(site, id_, device, **options)
    assert {"topic": topic, "payload": made} == json.loads((GOLDEN / f"{golden}.json").read_text("utf-8"))


@CASES
def test_a_document_keeps_home_assistants_rules(
    golden: str, site: str, id_: str, device: KnownDevice, options: dict[str, Any]
) -> None:
    topic, made = document(site, id_, device, **options)
    assert re.fullmatch(r"homeassistant/device/[A-Za-z0-9_-]+/config", topic)
    assert set(made) == {"device", "origin", "availability", "components"}
    assert made["device"]["identifiers"]
    assert made["origin"]["name"]
    for component in made["components"].values():
        platform = component["platform"]
        assert REQUIRED[platform] <= set(component) <= ALLOWED[platform]
        assert re.fullmatch(rf"{platform}\.[a-z0-9]+(_[a-z0-9]+)*", component["default_entity_id"])
        assert re.fullmatch(r"[A-Za-z0-9_-]+", component["unique_id"])
        if component.get("device_class") == "timestamp":
            assert "state_class" not in component
    for field in ("unique_id", "default_entity_id"):
        values = [component[field] for component in made["components"].values()]
        assert len(values) == len(set(values))


@pytest.mark.parametrize("ids", [("a/b", "a_b"), ("门", "門"), ("a b", "a.b")])
def test_two_devices_never_share_a_document(ids: tuple[str, str]) -> None:
    one, other = (document("plant-a", id_, KnownDevice())[0] for id_ in ids)
    assert one != other
