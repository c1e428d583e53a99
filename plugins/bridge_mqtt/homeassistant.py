"""Home Assistant's discovery: one document a device. The rules that it is held against are in docs/outputs/mqtt.md."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

import msgspec

from bridge_mqtt.book import KnownChannel, KnownDevice
from bridge_mqtt.options import Options
from bridge_mqtt.topics import Topics

_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+")
_AVAILABLE: Final = "{{ 'offline' if value == 'stopped' else value }}"
_EVENT: Final = (
    "{{ {'event_type': value_json.data.kind, 'id': value_json.id, 'time': value_json.time, "
    "'name': value_json.data.name, 'counts': value_json.data.counts} | to_json }}"
)
_COUNT: Final = "{{ value_json.data.counts[NAME] | default('') }}"
"""An event of another kind has no such count; at nothing Home Assistant leaves the value as it was."""
_LAST_SEEN: Final = "{{ value_json.data.received }}"


def reduced(id_: str) -> str:
    """An id in [A-Za-z0-9_-], with a digest where that changed it, so that two ids stay two."""
    short = _OTHER.sub("_", id_)[:64]
    if short == id_:
        return short
    digest = hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{short.strip('_')}_{digest}".lstrip("_")


def document(
    options: Options, topics: Topics, site: str, version: str, id_: str, device: KnownDevice
) -> tuple[str, bytes]:
    """Topic and payload of a device's discovery document."""
    object_id = f"boxbridge_{reduced(site)}_{reduced(id_)}"
    components = {"presence": _presence(topics, id_)}
    for channel, known in device.channels.items():
        components |= _channel(options, topics, id_, channel, known)
    for key, component in components.items():
        component["unique_id"] = f"{object_id}_{key}"
        component["default_entity_id"] = f"{component['platform']}.{_slug(f'{id_}_{key}')}"
    whole = {
        "device": {
            "identifiers": [object_id],
            "name": device.name or id_,
            **({"serial_number": device.serial} if device.serial else {}),
        },
        "origin": {"name": "boxbridge", "sw_version": version},
        "availability": [{"topic": topics.state, "value_template": _AVAILABLE}],
        "components": components,
    }
    return f"{options.homeassistant_prefix}/device/{object_id}/config", msgspec.json.encode(whole)


def _presence(topics: Topics, id_: str) -> dict[str, Any]:
    return {
        "platform": "binary_sensor",
        "name": "Presence",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": topics.device(id_),
        "payload_on": "online",
        "payload_off": "offline",
    }


def _channel(
    options: Options, topics: Topics, id_: str, channel: str, known: KnownChannel
) -> dict[str, dict[str, Any]]:
    key, called = reduced(channel), known.name or channel
    kind = known.kinds[-1] if known.kinds else ""
    event_topic = topics.event_of(id_, channel, kind)
    components: dict[str, dict[str, Any]] = {
        f"{key}_event": {
            "platform": "event",
            "name": f"{called} event",
            "state_topic": event_topic,
            "event_types": known.kinds,
            "value_template": _EVENT,
        },
        f"{key}_last_seen": {
            "platform": "sensor",
            "name": f"{called} last seen",
            "device_class": "timestamp",
            "entity_category": "diagnostic",
            "state_topic": event_topic,
            "value_template": _LAST_SEEN,
        },
    }
    if options.picture == "topic":
        components[f"{key}_picture"] = {
            "platform": "image",
            "name": f"{called} picture",
            "image_topic": topics.scene(id_, channel, kind),
            "content_type": "image/jpeg",
        }
    for count in known.counts:
        components[f"{key}_count_{reduced(count)}"] = {
            "platform": "sensor",
            "name": f"{called} {count}",
            "state_class": "measurement",
            "state_topic": event_topic,
            "value_template": _COUNT.replace("NAME", json.dumps(count, ensure_ascii=False)),
        }
    return components


def _slug(text: str) -> str:
    """As Home Assistant wants an entity's id: small letters, digits and underscores."""
    slug = _NO_SLUG.sub("_", reduced(text).lower()).strip("_")
    return slug or "boxbridge"
