"""Sample pushes are what a box sends, and sample events what an output gets."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from bridge.testing import draw_dot, sample_event, sample_push

pytestmark = pytest.mark.anyio


def test_a_sample_push_equals_the_vendors_document_byte_for_byte(sample_body: bytes) -> None:
    picture = base64.b64decode(json.loads(sample_body)["message"]["data"]["bg"])
    happened = datetime(2023, 11, 20, 6, 39, 47, 132000, UTC)
    made = sample_push(when=happened, msg_id="398654df-7814-4e67-a38f-9f3e550c10ba", picture=picture)
    assert made == sample_body


def test_a_sample_push_is_dated_now_and_has_a_msg_id_of_its_own() -> None:
    first, second = (json.loads(sample_push(small=True)) for _ in range(2))
    assert uuid.UUID(first["msg_id"]) != uuid.UUID(second["msg_id"])
    sent = datetime.fromtimestamp(first["message"]["requestTime"] / 1000, UTC)
    assert abs(datetime.now(UTC) - sent) < timedelta(seconds=30)


def test_a_sample_push_has_the_size_of_a_real_one() -> None:
    assert 370_000 < len(sample_push()) < 400_000
    assert 2_500 < len(sample_push(small=True)) < 2_900
    assert b'"bg" : ""' in sample_push(picture=b"")


async def test_a_sample_event_says_what_was_asked_for_and_its_picture_can_be_read() -> None:
    event = sample_event(kind="pre_smoke", device="gate/3", channel=4, targets=2, picture=draw_dot(3))
    assert (event.site, event.kind, event.device.id, event.channel.id) == ("plant-a", "pre_smoke", "gate/3", "4")
    assert [target.track for target in event.targets] == ["17", "18"]
    assert event.scene is not None
    assert await event.scene.read() == event.scene.read_blocking() == draw_dot(3)
