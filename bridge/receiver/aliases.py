"""Device aliases: the names that the configuration gives to devices and channels, by serial number or uuid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from bridge.config.settings import DeviceSettings
from bridge.event import Device, Event

_Said = TypeVar("_Said")


def alias_of(device: Device, devices: Mapping[str, _Said]) -> _Said | None:
    """What is said of a device under the first of its names that is known."""
    known_as = (device.uuid, device.serial, device.id)
    return next((devices[key] for key in known_as if key and key in devices), None)


def name_device(event: Event, site: str, devices: Mapping[str, DeviceSettings]) -> Event:
    """The event with its site and, where the configuration has some, the names of its device and channel."""
    alias = alias_of(event.device, devices)
    if alias is None:
        return event.with_(site=site)
    device = msgspec.structs.replace(
        event.device,
        id=alias.id or event.device.id,
        name=alias.name or event.device.name,
        id_from="alias" if alias.id else event.device.id_from,
    )
    channel = msgspec.structs.replace(event.channel, id=alias.channels.get(event.channel.id, event.channel.id))
    return event.with_(site=site, device=device, channel=channel)
