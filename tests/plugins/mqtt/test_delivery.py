"""What subscribers get, with every broker that is there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.brokers import Broker, Mosquitto, Received, Subscriber
from tests.plugins.mqtt.sending import delivery_of, event_with, opened, output_to

pytestmark = pytest.mark.anyio
CHANNEL = "boxbridge/plant-a/gate-3/1"
JPEG = bytes(range(256)) * 1200
STATE = "boxbridge/plant-a/state"


def of_channel(subscriber: Subscriber) -> list[Received]:
    """What came of the channel that events are sent of."""
    return [message for message in list(subscriber.messages) if message.topic.startswith(CHANNEL)]


async def test_an_event_arrives_after_its_pictures_as_its_document(broker: Broker, tmp_path: Path) -> None:
    delivery = delivery_of(event_with(JPEG, b"car"))
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(broker.url, tmp_path)) as output:
            await output.deliver(delivery)
        await subscriber.until(lambda got: got.on(f"{CHANNEL}/event"))
    assert subscriber.topics == [f"{CHANNEL}/picture", f"{CHANNEL}/picture/target/1", f"{CHANNEL}/event"]
    picture, target, event = subscriber.messages
    assert (picture.payload, target.payload, event.payload) == (JPEG, b"car", delivery.document)
    if "5" in broker.protocols:
        assert picture.content_type == "image/jpeg"
        assert picture.properties == {"id": delivery.event.id, "kind": "leave"}
        assert event.content_type == "application/cloudevents+json"
        assert event.properties == {"id": delivery.event.id, "kind": "leave", "attempt": "1"}


async def test_a_document_may_have_links_to_its_pictures_instead_of_them(broker: Broker, tmp_path: Path) -> None:
    delivery = replace(delivery_of(event_with(JPEG, b"car")), link="https://bridge.example/e/01?s=x")
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(broker.url, tmp_path, picture="url")) as output:
            await output.deliver(delivery)
        await subscriber.until(lambda got: got.on(f"{CHANNEL}/event"))
    assert subscriber.topics == [f"{CHANNEL}/event"]
    document = json.loads(subscriber.messages[0].payload)
    urls = [entry.pop("url") for entry in document["data"]["pictures"]]
    assert urls == [f"https://bridge.example/e/01/picture/{place}?s=x" for place in (0, 1)]
    assert document == json.loads(delivery.document)


async def test_many_events_at_once_keep_their_order(broker: Broker, tmp_path: Path) -> None:
    deliveries = [delivery_of(event_with(JPEG + bytes([number]))) for number in range(64)]
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(broker.url, tmp_path)) as output:
            await asyncio.gather(*(output.deliver(delivery) for delivery in deliveries))
        await subscriber.until(lambda got: len(got.messages) >= 128, within=20)
    assert [message.payload for message in subscriber.on(f"{CHANNEL}/event")] == [each.document for each in deliveries]
    assert [message.payload[-1] for message in subscriber.on(f"{CHANNEL}/picture")] == list(range(64))
    assert subscriber.topics == [f"{CHANNEL}/picture", f"{CHANNEL}/event"] * 64


async def test_a_new_subscriber_gets_the_latest_scene_and_nothing_else(broker: Broker, tmp_path: Path) -> None:
    async with opened(output_to(broker.url, tmp_path)) as output:
        await output.deliver(delivery_of(event_with(b"old", b"target")))
        await output.deliver(delivery_of(event_with(b"new")))
        with Subscriber(broker) as subscriber:
            await subscriber.until(lambda got: got.on(STATE) and got.on(f"{CHANNEL}/picture"))
    assert [(message.topic, message.payload, message.retain) for message in of_channel(subscriber)] == [
        (f"{CHANNEL}/picture", b"new", True)
    ]


async def test_no_picture_is_retained_where_that_is_switched_off(broker: Broker, tmp_path: Path) -> None:
    async with opened(output_to(broker.url, tmp_path, retain_picture=False)) as output:
        await output.deliver(delivery_of(event_with(b"scene")))
        with Subscriber(broker) as subscriber:
            await subscriber.until(lambda got: got.on(STATE))
    assert of_channel(subscriber) == []


async def test_old_news_goes_to_the_late_topics_and_is_not_retained(broker: Broker, tmp_path: Path) -> None:
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(broker.url, tmp_path)) as output:
            await output.deliver(delivery_of(event_with(b"old"), late=True, replayed=True, attempt=3))
            await subscriber.until(lambda got: len(got.messages) >= 2)
            with Subscriber(broker) as newcomer:
                await newcomer.until(lambda got: got.on(STATE))
    assert subscriber.topics == [f"{CHANNEL}/late/picture", f"{CHANNEL}/late/event"]
    assert of_channel(newcomer) == []
    if "5" in broker.protocols:
        marks = subscriber.messages[1].properties
        assert (marks["attempt"], marks["late"], marks["replayed"]) == ("3", "true", "true")


async def test_the_state_is_online_while_open_and_stopped_after(broker: Broker, tmp_path: Path) -> None:
    with Subscriber(broker, "boxbridge/plant-a/state") as subscriber:
        async with opened(output_to(broker.url, tmp_path)):
            await subscriber.until(lambda got: got.messages)
        await subscriber.until(lambda got: len(got.messages) >= 2)
    with Subscriber(broker, "boxbridge/plant-a/state") as newcomer:
        await newcomer.until(lambda got: got.messages)
    assert [message.payload for message in subscriber.messages] == [b"online", b"stopped"]
    assert [message.payload for message in newcomer.messages] == [b"stopped"]


@pytest.mark.parametrize(
    ("device", "segment"),
    [
        ("闸口-3", "闸口-3"),
        ("a/b+c#d %", "a%2Fb%2Bc%23d%20%25"),
        ("$SYS", "%24SYS"),
        ("10.0.0.1", "10.0.0.1"),
        ("a>*", "a>*"),
    ],
)
async def test_ids_in_any_script_arrive_on_topics_of_their_own(
    broker: Broker, tmp_path: Path, device: str, segment: str
) -> None:
    topic = f"boxbridge/厂区%2F1/{segment}/北%2B门/event"
    with Subscriber(broker, topic) as subscriber:
        async with opened(output_to(broker.url, tmp_path, site="厂区/1")) as output:
            await output.deliver(delivery_of(event_with(device=device, channel="北+门", kind="离开\0")))
        await subscriber.until(lambda got: got.messages)
    if "5" in broker.protocols:
        assert subscriber.messages[0].properties["kind"] == "离开%00"


async def test_no_pictures_are_published_where_none_are_wanted(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(mosquitto, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path, picture="none")) as output:
            await output.deliver(delivery_of(event_with(JPEG, b"car")))
        await subscriber.until(lambda got: got.messages)
    assert subscriber.topics == [f"{CHANNEL}/event"]


async def test_a_lost_picture_is_left_out_and_the_event_says_so(mosquitto: Mosquitto, tmp_path: Path) -> None:
    event = event_with(b"scene", b"car")
    del event.pictures[0].__dict__["source"].pictures[event.pictures[0].sha256]
    with Subscriber(mosquitto, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path)) as output:
            await output.deliver(delivery_of(event))
        await subscriber.until(lambda got: got.on(f"{CHANNEL}/event"))
    assert subscriber.topics == [f"{CHANNEL}/picture/target/1", f"{CHANNEL}/event"]
    assert subscriber.messages[-1].properties["picture"] == "scene: left out, damaged on disk"


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
async def test_the_version_is_the_configured_one_or_the_best_that_the_broker_speaks(
    broker: Broker, tmp_path: Path, protocol: str
) -> None:
    if protocol != "auto" and protocol not in broker.protocols:
        pytest.skip(f"{broker.name} does not speak {protocol}")
    spoken = broker.protocols[0] if protocol == "auto" else protocol
    url = f"mqtt://127.0.0.1:{broker.port_for(spoken)}"
    found = await output_to(url, tmp_path, protocol=protocol).check()
    assert found.split(",")[0] == f"MQTT {spoken}"


async def test_a_check_neither_disturbs_the_running_output_nor_its_state(mosquitto: Mosquitto, tmp_path: Path) -> None:
    lost: list[BaseException] = []
    with Subscriber(mosquitto) as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path, lost.append)) as output:
            await output_to(mosquitto.url, tmp_path).check()
            await output.deliver(delivery_of(event_with(None)))
            await subscriber.until(lambda got: got.on(f"{CHANNEL}/event"))
            assert lost == []
            assert [message.payload for message in subscriber.on("boxbridge/plant-a/state")] == [b"online"]
