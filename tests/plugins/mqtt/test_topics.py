"""Which topic everything goes to."""

from __future__ import annotations

import pytest

from bridge_mqtt.topics import Topics
from tests.plugins.mqtt.sending import event_with


def test_the_scene_has_the_channels_picture_topic_and_further_pictures_are_numbered_by_role() -> None:
    event = event_with(b"scene", b"first", b"second")
    topics = [topic for topic, _ in Topics("boxbridge", "plant-a").pictures(event, late=False)]
    root = "boxbridge/plant-a/gate-3/1/picture"
    assert topics == [root, f"{root}/target/1", f"{root}/target/2"]


def test_old_news_has_topics_of_its_own() -> None:
    event = event_with(b"scene", b"first")
    topics = Topics("boxbridge", "plant-a")
    assert topics.event(event, late=True) == "boxbridge/plant-a/gate-3/1/late/event"
    assert [topic for topic, _ in topics.pictures(event, late=True)] == [
        "boxbridge/plant-a/gate-3/1/late/picture",
        "boxbridge/plant-a/gate-3/1/late/picture/target/1",
    ]


@pytest.mark.parametrize("ids", [("a/b", "a+b"), ("a#", "a%23"), ("a", "a "), ("门", "門"), ("", "%")])
def test_two_devices_never_share_a_topic(ids: tuple[str, str]) -> None:
    one, other = (Topics("boxbridge", "plant-a").event(event_with(device=name), late=False) for name in ids)
    assert one != other
    assert one.count("/") == other.count("/") == 4
