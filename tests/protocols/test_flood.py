"""However much a push holds, it is read within moments: what is too much is counted, and stays in the request."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pybase64
import pytest

from bridge.event import encode_document
from bridge.journal.journal import Record
from bridge.normalizer import Malformed, Parsed
from bridge.protocols import skill
from bridge.testing import draw_dot, vary
from tests.rooms import opened, push_of

Read = Callable[..., Parsed]

WHERE = {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2}


def picture(number: int) -> str:
    """The text of one of many small pictures."""
    return pybase64.b64encode(vary(draw_dot(9), number)).decode()


@pytest.mark.parametrize("item", [{}, {"key": "a", "desc": "b", "value": "c"}], ids=["empty", "whole"])
def test_lists_in_lists_are_read_up_to_a_bound(sample: dict[str, Any], read: Read, item: dict[str, str]) -> None:
    targets = [{"location": WHERE, "properties": [item] * 1000} for _ in range(100)]
    sample["message"]["data"]["targetBasicInfo"] = targets
    parsed = read(sample)
    (event,) = parsed.events
    assert len(event.targets) == 100
    assert 9_000 < sum(len(target.attributes) for target in event.targets) <= 10_000
    assert "message.data.targetBasicInfo[].properties" in parsed.oddities
    assert event.targets[20].extra["properties[0:]"]
    assert len(encode_document(event)) < 10_000_000


def test_unknown_fields_are_shown_up_to_a_bound(sample: dict[str, Any], read: Read) -> None:
    sample["message"]["data"] |= {f"field {number}": number for number in range(30_000)}
    (event,) = read(sample).events
    assert event.extra["message.data.field 9000"] == 9000
    assert len(event.extra) <= 10_001
    assert "more fields" in event.extra["message.data.(more)"]


@pytest.mark.parametrize(
    "value", [[[1] * 1000] * 300, {str(n): [1] * 1000 for n in range(300)}], ids=["list", "object"]
)
def test_values_of_unknown_fields_are_shown_up_to_a_bound(sample: dict[str, Any], read: Read, value: Any) -> None:
    sample["plate"] = value
    (event,) = read(sample).events
    kept = event.extra["plate"]
    items = kept if isinstance(kept, list) else list(kept.values())
    assert sum(len(item) == 1000 for item in items) in range(90, 100)
    assert "too much to be shown" in items[-1][0]


@pytest.mark.anyio
async def test_of_too_many_pictures_the_first_and_the_scene_are_kept_and_the_event_says_so(
    sample: dict[str, Any], tmp_path: Path
) -> None:
    data = sample["message"]["data"]
    scene = data.pop("bg")
    data["targetBasicInfo"] = [
        {"location": WHERE, "img": picture(2 * n), "avatar": picture(2 * n + 1)} for n in range(800)
    ]
    data["bg"] = scene
    body = msgspec.json.encode(sample)
    async with opened(tmp_path) as rooms:
        await rooms.push(body)
        (event,) = rooms.heard.accepted
        record = await rooms.journal.read(1)
        assert isinstance(record, Record)
        assert await record.original().read() == body
    assert event.scene is not None
    assert sum(picture.role != "scene" for picture in event.pictures) == 1000
    assert event.extra["(pictures)"].startswith("(600 more pictures")


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\xe0\x00\x02"], ids=["fill bytes", "segments"])
def test_a_picture_without_a_size_is_looked_through_within_moments(
    sample: dict[str, Any], read: Read, filling: bytes
) -> None:
    data = b"\xff\xd8" + filling * (8_000_000 // len(filling))
    sample["message"]["data"]["bg"] = pybase64.b64encode(data).decode()
    reference = f"sha256:{hashlib.sha256(data).hexdigest()}"
    sample["message"]["data"]["targetBasicInfo"] = [{"location": WHERE, "img": reference}] * 500
    began = time.process_time()
    (event,) = read(sample).events
    assert time.process_time() - began < 1
    assert len(event.pictures) == 501


def test_of_too_many_pictures_in_unknown_fields_the_event_says_so(sample: dict[str, Any], read: Read) -> None:
    large = vary(draw_dot(9), 1) + bytes(1000)
    sample["more"] = [pybase64.b64encode(large + n.to_bytes(2)).decode() for n in range(1200)]
    (event,) = read(sample).events
    assert sum(picture.role == "other" for picture in event.pictures) in (999, 1000)
    assert "more pictures" in event.extra["(pictures)"]
    assert "one picture too many" in event.extra["more"][-1]


def test_what_can_not_be_read_and_has_no_picture_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[bytes]()

    def read_json(body: bytes) -> Any:
        tried.append(body)
        raise Malformed("not JSON")

    monkeypatch.setattr(skill, "read_json", read_json)
    for body, times in ((b"\xff" * 100, 1), (b'{"bg": "' + picture(1).encode() + b'"', 2)):
        tried.clear()
        with pytest.raises(Malformed):
            skill.SkillNormalizer().parse(push_of(body))
        assert len(tried) == times
