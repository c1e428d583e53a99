"""The vendor's sample, freshly dated: pushes as a box of the family sends them, and the events they become."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from functools import lru_cache
from typing import Any

import pybase64

from bridge.event import Event, utc_now
from bridge.normalizer import InMemory, Push
from bridge.protocols.skill import PATH, SkillNormalizer
from bridge.testing.drawing import draw_dot, draw_scene

_PICTURE = "<picture>"


def sample_push(
    *,
    kind: str = "pre_offvehicle",
    device: str = "DMB3160PWC21J00001",
    channel: int = 1,
    when: datetime | None = None,
    msg_id: str | None = None,
    picture: bytes | None = None,
    targets: int = 0,
    snapshots: bool = False,
    small: bool = False,
) -> bytes:
    """A body like the vendor's sample, in its very style: sorted keys, indented, all characters escaped.

    `when`: when the event happened; now if left out. `msg_id`: a new one if left out. `picture`: a drawn scene if left
    out, `b""` for none. `snapshots`: each target has a small picture of its own. `small`: with a tiny scene, so that
    the whole body has about 2.7 KB.
    """
    happened = int((when or utc_now()).timestamp() * 1000)
    msg_id = msg_id or str(uuid.uuid4())
    if picture is None:
        picture = draw_dot(happened) if small else _default_scene()
    document = {
        "wsKey": "eventCreateOptimize",
        "msg_id": msg_id,
        "message": {
            "requestTime": happened + 20,
            "deviceInfo": {"id": device, "name": "视频分析盒AB-H1", "uuid": device},
            "netInfo": [_NETWORK],
            "channelInfo": {"channel": channel, "comment": "", "name": f"通道{channel}"},
            "skillInfo": {"id": kind.removeprefix("pre_"), "name": "车辆离开", "version": "2.0.0.0"},
            "data": {
                "preWarn": kind,
                "timestamp": happened,
                "bg": _PICTURE,
                "bgWidth": 1920,
                "bgHeight": 1080,
                "frameIndex": 7943,
                "linkId": msg_id,
                "normalized": 0,
                "style": {"color": "RED", "renderType": 1, "strokeWidth": 3},
                "regionInfo": [_REGION],
                "targetBasicInfo": [_target(number, snapshots) for number in range(1, targets + 1)],
                "eventDesc": "发现辆车离开开辆车在场",
                "eventInfo": [{"count": targets, "eventName": "车辆在场"}, {"count": 2, "eventName": "车辆离开"}],
                "dynamicInfo": "",
            },
        },
    }
    text = json.dumps(document, indent=4, separators=(",", " : "), sort_keys=True)
    before, after = text.encode().split(_PICTURE.encode())
    return b"".join((before, pybase64.b64encode(picture), after, b"\n"))


def sample_event(*, site: str = "plant-a", body: bytes | None = None, **push: Any) -> Event:
    """The event of a push, as an output gets it; its pictures can be read.

    `body`: of the push; if left out a sample, made with the further arguments.
    """
    request = Push(
        method="POST",
        path=PATH,
        query="",
        headers={"content-type": "application/json"},
        body=body or sample_push(**push),
        peer="127.0.0.1",
        received=utc_now(),
    )
    parsed = SkillNormalizer().parse(request)
    return parsed.events[0].with_(site=site).reading_from(InMemory(parsed.pictures))


@lru_cache(maxsize=1)
def _default_scene() -> bytes:
    return draw_scene(seed=72_901)


def _target(number: int, snapshot: bool) -> dict[str, Any]:
    return {
        "avatar": "",
        "img": pybase64.b64encode(draw_dot(number)).decode() if snapshot else "",
        "location": {"height": 200, "left": 80 + 300 * (number - 1) % 1500, "top": 500, "width": 260},
        "properties": [{"desc": "类型", "key": "type", "value": "car"}],
        "regionId": "1",
        "tracelId": str(16 + number),
    }


_NETWORK = {
    "dns": "8.8.8.8",
    "gateway": "192.168.1.111",
    "ip": "192.168.1.198",
    "mac": "E0:A5:09:00:76:AD",
    "netmask": "255.255.255.0",
}
_REGION = {
    "id": "1",
    "locations": [{"x": 128, "y": 45}, {"x": 1885, "y": 45}, {"x": 1885, "y": 1038}, {"x": 52, "y": 1038}],
    "name": "分析区",
    "type": "analysis_area",
}
