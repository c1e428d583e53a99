"""The MQTT output within the whole daemon: what `why` says of a delivery, and what `outputs forget` leaves behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.cli.why import event_lines
from bridge.testing import sample_push
from tests.brokers import Mosquitto, Subscriber
from tests.daemon import Running, bridge_with
from tests.rooms import until

pytestmark = pytest.mark.anyio


def output(broker: Mosquitto, more: str = "") -> str:
    return f'[output.broker]\ntype = "mqtt"\nurl = "{broker.url}"\n{more}\n'


async def push(running: Running, *pictures: bytes | None) -> None:
    async with running.box() as box:
        for picture in pictures:
            assert (await box.push(sample_push(small=True, picture=picture))).success


async def test_a_picture_that_is_too_large_is_told_by_why_and_costs_no_other(tmp_path: Path) -> None:
    if reason := Mosquitto.missing():
        pytest.skip(reason)
    with Mosquitto(tmp_path / "broker", "allow_anonymous true\nmax_packet_size 20000") as broker:
        async with bridge_with(tmp_path, output(broker)) as running:
            with Subscriber(broker, "boxbridge/+/+/+/#") as subscriber:
                await push(running, *[None] * 50, b"\xff\xd8\xff" + b"x" * 30_000, *[None] * 50)
                await subscriber.until(lambda got: sum(topic.endswith("/event") for topic in got.topics) == 101)
            scenes = [topic for topic in subscriber.topics if topic.endswith("/picture")]
            (cut,) = (message for message in subscriber.messages if "picture" in message.properties)
            story = (await running.socket.get(f"/api/v1/why/{cut.properties['id']}")).json()
            (state,) = {lane.door.failures for lane in running.daemon.dispatcher.lanes.values()}
    assert (len(scenes), state) == (100, 0)
    told = "\n".join(event_lines(story, "en"))
    assert re.search(
        r"attempt 1; not as it is: scene: left out, 30\.\d kB is larger than the broker.s packets of 20 kB", told
    )
    told = "\n".join(event_lines(story, "zh"))
    assert "投递成功；与原件不同：scene：已省略，30.1 kB 超过 broker 的报文上限 20 kB" in told


async def test_a_forgotten_output_leaves_nothing_in_the_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with bridge_with(tmp_path, output(mosquitto, "homeassistant = true")) as running:
        await push(running, None)
        with Subscriber(mosquitto) as before:
            await before.until(lambda got: any(topic.startswith("homeassistant/device/") for topic in got.topics))
        await until((tmp_path / "data" / "mqtt" / "broker.json").exists)
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().split("[output", 1)[0] + '[output.local]\ntype = "archive"\n')
        await running.daemon.reload()
        said = (await running.socket.post("/api/v1/outputs/broker/forget", json={})).json()["done"]
    assert said.splitlines()[1] == "5 retained messages were taken from the broker"
    with Subscriber(mosquitto) as after:
        after._client.publish("end", b"", qos=1)
        await after.until(lambda got: got.on("end"))
    assert after.topics == ["end"]
