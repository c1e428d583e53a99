"""The vendor's sample document, whole: every value of it is in the event."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pybase64

from bridge.event import Box, Network, Point, encode_document
from bridge.normalizer import Parsed
from bridge.testing import draw_dot

Read = Callable[..., Parsed]


def test_every_field_of_the_sample_has_its_place_in_the_event(
    sample_body: bytes, read: Read, received: datetime
) -> None:
    parsed = read(sample_body)
    (event,) = parsed.events
    assert parsed.message == event.message == "eventCreateOptimize"
    assert parsed.oddities == ()
    assert (event.kind, event.name, event.description) == ("pre_offvehicle", "车辆离开", "发现辆车离开开辆车在场")
    assert event.msg_id == event.link == "398654df-7814-4e67-a38f-9f3e550c10ba"
    assert event.occurred == datetime(2023, 11, 20, 6, 39, 47, 132000, UTC)
    assert event.reported == datetime(2023, 11, 20, 6, 39, 47, 152000, UTC)
    assert (event.received, event.time_from) == (received, "device")
    assert (event.device.id, event.device.id_from) == ("DMB3160PWC21J00001", "uuid")
    assert (event.device.serial, event.device.name) == ("DMB3160PWC21J00001", "视频分析盒AB-H1")
    assert (event.channel.id, event.channel.name, event.channel.comment) == ("1", "通道1", "")
    assert (event.skill.id, event.skill.name, event.skill.version) == ("offvehicle", "车辆离开", "2.0.0.0")
    assert event.counts == {"车辆在场": 0, "车辆离开": 2}
    assert (event.frame, event.normalized, event.dynamic, event.targets) == (7943, False, "", ())
    assert event.style == {"color": "RED", "renderType": 1, "strokeWidth": 3}
    (region,) = event.regions
    assert (region.id, region.name, region.kind) == ("1", "分析区", "analysis_area")
    pixels = [point.pixels(1920, 1080) for point in region.points]
    assert pixels == [(128, 45), (1885, 45), (1885, 1038), (52, 1038)]
    assert event.network == (
        Network(
            ip="192.168.1.198",
            mac="E0:A5:09:00:76:AD",
            gateway="192.168.1.111",
            netmask="255.255.255.0",
            dns="8.8.8.8",
        ),
    )
    assert event.extra == {}


def test_the_picture_of_the_event_is_the_samples_own(sample_body: bytes, sample: dict[str, Any], read: Read) -> None:
    parsed = read(sample_body)
    jpeg = base64.b64decode(sample["message"]["data"]["bg"])
    (cutout,) = parsed.pictures
    assert cutout.data == jpeg
    scene = parsed.events[0].scene
    assert scene is not None
    assert (scene.sha256, scene.size) == (cutout.sha256, len(jpeg))
    assert (scene.media_type, scene.width, scene.height) == ("image/jpeg", 1920, 1080)
    assert cutout.span is not None
    start, end = cutout.span
    assert sample_body[:start] + pybase64.b64encode(jpeg) + sample_body[end:] == sample_body


def test_changing_any_value_of_the_sample_changes_the_event(sample: dict[str, Any], read: Read) -> None:
    sample["message"]["data"]["targetBasicInfo"] = [
        {
            "avatar": pybase64.b64encode(draw_dot(1)).decode(),
            "img": pybase64.b64encode(draw_dot(2)).decode(),
            "location": {"left": 10, "top": 20, "width": 30, "height": 40},
            "properties": [{"key": "type", "desc": "类型", "value": "car"}],
            "regionId": "1",
            "tracelId": "17",
        }
    ]
    sample["message"]["channelInfo"]["plat_channel_id"] = "34020000001310000001"
    sample["unknown"] = {"deep": [1, {"deeper": "x"}]}
    before = _document(read(sample))
    leaves = list(_leaves(sample))
    assert len(leaves) > 50
    for path in leaves:
        changed = copy.deepcopy(sample)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        value = holder[path[-1]]
        if path[-1] in ("bg", "img", "avatar"):
            holder[path[-1]] = pybase64.b64encode(draw_dot(3)).decode()
        elif path != ("wsKey",):
            holder[path[-1]] = value + "x" if isinstance(value, str) else 1 - value if value in (0, 1) else value + 1
        assert path == ("wsKey",) or _document(read(changed)) != before, path


def test_targets_have_their_box_track_attributes_and_pictures(sample: dict[str, Any], read: Read) -> None:
    sample["message"]["data"]["targetBasicInfo"] = [
        {"location": {"left": 192, "top": 108, "width": 960, "height": 540}, "traceId": 5, "speed": 3.5},
        {
            "location": {"left": "0", "top": 0, "width": 1920, "height": 1080},
            "img": pybase64.b64encode(draw_dot(1)).decode(),
            "avatar": pybase64.b64encode(draw_dot(2)).decode(),
            "properties": [{"key": "plate", "desc": "车牌", "value": "粤B12345", "sure": 0.9}],
            "regionId": "1",
        },
    ]
    (event,) = read(sample).events
    first, second = event.targets
    assert (first.track, first.box, first.extra) == ("5", Box(0.1, 0.1, 0.5, 0.5), {"speed": 3.5})
    assert (second.box, second.region, second.extra) == (Box(0, 0, 1, 1), "1", {"properties[0].sure": 0.9})
    assert [(a.key, a.label, a.value) for a in second.attributes] == [("plate", "车牌", "粤B12345")]
    assert [event.pictures[place].role for place in second.pictures] == ["target", "reference"]
    assert event.regions[0].points[0] == Point(0.066667, 0.041667)


def _document(parsed: Any) -> bytes:
    return encode_document(parsed.events[0].with_(id="0"))


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
    else:
        for step, item in items:
            yield from _leaves(item, (*path, step))
