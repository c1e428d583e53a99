"""Devices and channels have the names that the configuration gives them, and keep them whatever box stands there."""

from __future__ import annotations

import msgspec
import pytest

from bridge import Device, Event
from bridge.config.settings import DeviceSettings
from bridge.receiver.aliases import name_device
from bridge.testing import sample_event

GATE = DeviceSettings(id="gate-3", name="Gate 3", channels={"1": "north"})


@pytest.fixture(scope="module")
def event() -> Event:
    """An event of a box with the serial S1 and the uuid U1, from its channel 1."""
    found = sample_event(small=True)
    device = Device(id="U1", id_from="uuid", serial="S1", uuid="U1", name="盒子")
    return found.with_(device=device)


@pytest.mark.parametrize("key", ["S1", "U1"], ids=["by serial", "by uuid"])
def test_a_device_is_named(event: Event, key: str) -> None:
    named = name_device(event, "plant-a", {key: GATE, "other": DeviceSettings(id="gate-4")})
    assert named.device == Device(id="gate-3", id_from="alias", serial="S1", uuid="U1", name="Gate 3")
    assert named.channel.id == "north"
    assert named.channel.name == event.channel.name
    assert named.site == "plant-a"


def test_a_device_that_is_not_configured_keeps_its_own_names(event: Event) -> None:
    named = name_device(event, "plant-a", {"S2": GATE})
    assert named == event.with_(site="plant-a")


def test_the_uuid_outweighs_the_serial(event: Event) -> None:
    named = name_device(event, "plant-a", {"S1": DeviceSettings(id="serial"), "U1": DeviceSettings(id="uuid")})
    assert named.device.id == "uuid"


def test_what_a_table_leaves_out_stays(event: Event) -> None:
    named = name_device(event, "plant-a", {"S1": DeviceSettings(name="Gate 3")})
    assert (named.device.id, named.device.id_from, named.device.name) == ("U1", "uuid", "Gate 3")
    assert named.channel == event.channel


def test_a_channel_without_an_alias_keeps_its_number(event: Event) -> None:
    channel = msgspec.structs.replace(event.channel, id="2")
    assert name_device(event.with_(channel=channel), "plant-a", {"S1": GATE}).channel.id == "2"


def test_a_box_without_serial_and_uuid_is_named_by_the_id_it_goes_by(event: Event) -> None:
    device = Device(id="E0:A5:09:00:76:AD", id_from="mac")
    assert name_device(event.with_(device=device), "p", {device.id: GATE}).device.id == "gate-3"


def test_no_device_is_named_by_a_table_of_the_empty_name(event: Event) -> None:
    device = Device(id="S1", serial="S1")
    assert name_device(event.with_(device=device), "p", {"": GATE}).device.id == "S1"
