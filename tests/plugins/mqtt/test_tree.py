"""What is retained whether anything happens or not: info, device states, and that a replaced broker fills itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge import Duration, Surroundings
from bridge.words.patterns import chinese
from bridge_mqtt import homeassistant
from bridge_mqtt.output import Mqtt
from bridge_mqtt.topics import Templates
from tests.brokers import Broker, Mosquitto, Subscriber
from tests.plugins.mqtt.hostile import HostileBroker
from tests.plugins.mqtt.sending import delivery_of, event_with, opened, output_to
from tests.rooms import until

pytestmark = pytest.mark.anyio
SITE = "boxbridge/plant-a"
CONFIG = "homeassistant/device/boxbridge_plant-a_gate-3/config"


def among(output: Mqtt, **seconds_ago: float) -> Mqtt:
    """The output, told of these devices."""
    heard = {name: datetime.now(UTC) - timedelta(seconds=seconds) for name, seconds in seconds_ago.items()}
    output.surroundings = lambda: Surroundings(outputs={"broker": "mqtt"}, devices=heard)
    return output


async def test_info_and_device_states_are_retained(broker: Broker, tmp_path: Path) -> None:
    output = among(output_to(broker.url, tmp_path), here=1, gone=3600)
    output._tree._began -= timedelta(hours=1)
    async with opened(output):
        with Subscriber(broker, f"{SITE}/#") as subscriber:
            await subscriber.until(lambda got: {f"{SITE}/here/state", f"{SITE}/gone/state"} <= {*got.topics})
            await subscriber.until(lambda got: got.on(f"{SITE}/info"))
    assert subscriber.on(f"{SITE}/here/state")[-1].payload == b"online"
    assert subscriber.on(f"{SITE}/gone/state")[-1].payload == b"offline"
    info = json.loads(subscriber.on(f"{SITE}/info")[-1].payload)
    assert info == {"version": "", "outputs": {"broker": "mqtt"}, "devices": ["gone", "here"]}


async def test_a_device_gets_its_time_to_be_heard_after_a_start(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with opened(among(output_to(mosquitto.url, tmp_path), here=1, gone=3600)):
        with Subscriber(mosquitto, f"{SITE}/#") as subscriber:
            await subscriber.until(lambda got: got.on(f"{SITE}/here/state"))
            await subscriber.until(lambda got: got.on(f"{SITE}/info"))
    assert subscriber.on(f"{SITE}/gone/state") == []


async def test_a_device_that_falls_silent_goes_offline(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge_mqtt.output._LOOK_SECONDS", 0.05)
    with Subscriber(mosquitto, f"{SITE}/box/state") as subscriber:
        async with opened(among(output_to(mosquitto.url, tmp_path, offline_after=Duration("1s")), box=0)):
            await subscriber.until(lambda got: len(got.messages) >= 2)
    assert [message.payload for message in subscriber.messages] == [b"online", b"offline"]


async def test_a_replaced_broker_fills_itself_also_after_a_restart_of_ours(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with opened(output_to(mosquitto.url, tmp_path, homeassistant=True)) as output:
        await output.deliver(delivery_of(event_with()))
        await until((tmp_path / "mqtt" / "broker.json").exists)
    mosquitto.kill()
    (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
    mosquitto.start()
    async with opened(among(output_to(mosquitto.url, tmp_path, homeassistant=True))):
        with Subscriber(mosquitto) as subscriber:
            await subscriber.until(lambda got: {f"{SITE}/state", f"{SITE}/info", CONFIG} <= {*got.topics})


async def test_home_assistants_birth_brings_its_documents_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    output = output_to(mosquitto.url, tmp_path, homeassistant=True)
    with Subscriber(mosquitto, CONFIG) as subscriber:
        async with opened(output):
            await output.deliver(delivery_of(event_with()))
            await subscriber.until(lambda got: len(got.messages) == 1)
            subscriber._client.publish("homeassistant/status", b"online", qos=1)
            await subscriber.until(lambda got: len(got.messages) == 2)
    assert subscriber.messages[0].payload == subscriber.messages[1].payload


def test_a_document_is_made_anew_only_where_more_is_known_of_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def document(*arguments: Any) -> tuple[str, bytes]:
        made.append(arguments[4])
        return as_ever(*arguments)

    as_ever = homeassistant.document
    monkeypatch.setattr(homeassistant, "document", document)
    output = output_to("mqtt://broker", tmp_path, homeassistant=True)
    tree, book, now = output._tree, output._book, datetime.now(UTC)
    for device in ("gate-3", "gate-4"):
        book.note(event_with(device=device))
    assert CONFIG in {message.topic for message in tree.news(Surroundings(), now)}
    assert tree.news(Surroundings(), now) == []
    tree.forget()
    assert CONFIG in {message.topic for message in tree.news(Surroundings(), now)}
    assert made == ["gate-3", "gate-4"]
    book.note(event_with(kind="arrive"))
    assert [message.topic for message in tree.news(Surroundings(), now)] == [CONFIG]
    assert made == ["gate-3", "gate-4", "gate-3"]


async def test_what_is_forgotten_is_gone_from_the_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    output = among(output_to(mosquitto.url, tmp_path, homeassistant=True), **{"gate-3": 1})
    async with opened(output):
        await output.deliver(delivery_of(event_with()))
        with Subscriber(mosquitto) as before:
            await before.until(
                lambda got: {CONFIG, f"{SITE}/gate-3/1/picture", f"{SITE}/gate-3/state"} <= {*got.topics}
            )
    assert await output.forget() == "5 retained messages were taken from the broker"
    with Subscriber(mosquitto) as after:
        after._client.publish("end", b"", qos=1)
        await after.until(lambda got: got.on("end"))
    assert after.topics == ["end"]
    assert not (tmp_path / "mqtt" / "broker.json").exists()


async def test_a_tree_that_is_refused_costs_no_event(tmp_path: Path) -> None:
    async with (
        HostileBroker(on_publish=lambda topic: 135 if topic.endswith("/info") else 0) as broker,
        opened(output_to(broker.url, tmp_path)) as output,
    ):
        await until(lambda: f"{SITE}/info" in broker.topics)
        await output.deliver(delivery_of(event_with()))


async def test_a_will_with_a_delay_says_nothing_when_the_connection_is_soon_back(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    kept: dict[str, Any] = {"session_expiry": Duration("60s"), "will_delay": Duration("30s"), "protocol": "5"}
    output = output_to(mosquitto.url, tmp_path, **kept)
    with Subscriber(mosquitto, f"{SITE}/state") as subscriber:
        await output.open()
        connection = output._connection
        assert connection is not None
        connection._end("cut off by the test")
        await output.close()
        async with opened(output):
            await subscriber.until(lambda got: len(got.messages) >= 2)
        await subscriber.until(lambda got: len(got.messages) >= 3)
    assert [message.payload for message in subscriber.messages] == [b"online", b"online", b"stopped"]


async def test_topics_follow_their_templates(mosquitto: Mosquitto, tmp_path: Path) -> None:
    templates = Templates(event="all/{site}/{late}{kind}/{device}", picture="pictures/{late}{device}")
    with Subscriber(mosquitto) as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path, topics=templates)) as output:
            await output.deliver(delivery_of(event_with(kind="车辆/离开")))
            await output.deliver(delivery_of(event_with(), late=True))
            await subscriber.until(lambda got: got.on("all/plant-a/late/leave/gate-3"))
    assert {"all/plant-a/车辆%2F离开/gate-3", "pictures/gate-3", "pictures/late/gate-3"} <= {*subscriber.topics}


@pytest.mark.parametrize(
    ("templates", "wrong"),
    [
        ({"event": "{late}x/{chanel}"}, 'event: "chanel" is no name in this topic, did you mean "channel"?'),
        ({"state": "{base}/{device}/x"}, 'state: "device" is no name in this topic (there are: base, site)'),
        ({"event": "{base}/{device}"}, "event: needs {late} in it, or old news would come where people act on it"),
        ({"device": "{base}/x"}, "device: needs {device} in it, or all would share one topic"),
        ({"info": "{base}/+"}, 'info: "{base}/+" is no topic; "boxbridge/{site}/info" would be one'),
        ({"info": "{base"}, "info: \"{base\" is no topic: expected '}' before end of string"),
        ({"info": "{base!r}/x"}, 'info: "base!r" is no name in this topic, did you mean "base"?'),
    ],
)
def test_a_wrong_template_is_told_at_start(templates: dict[str, str], wrong: str) -> None:
    assert list(Templates(**templates).faults()) == [wrong]
    assert chinese(wrong)
