"""The main job, through the installed command: a box's push reaches MQTT, the archive and a webhook."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.testing import sample_push
from bridge.testing.ports import HOST, free_port
from tests.brokers import Broker, Mosquitto, Subscriber
from tests.end_to_end.installation import Installation
from tests.end_to_end.web import Received, WebServer

TREE = "boxbridge/plant-a/DMB3160PWC21J00001/1"


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that keeps what it is sent."""
    with WebServer() as server:
        yield server


def all_outputs(broker: Broker, web: WebServer) -> str:
    """The three outputs of the package."""
    return f"""
        [output.local]
        type = "archive"
        [output.broker]
        type = "mqtt"
        url = "{broker.url}"
        [output.erp]
        type = "webhook"
        url = "{web.url}"
        picture = "inline"
        """


def test_the_vendors_sample_reaches_every_output_as_old_news(
    tmp_path: Path, broker: Broker, web: WebServer, sample_body: bytes
) -> None:
    """Given the sample document, sent with `boxbridge send FILE`, all of it is found in each output."""
    jpeg = base64.b64decode(msgspec.json.decode(sample_body)["message"]["data"]["bg"])
    body = tmp_path / "sample.json"
    body.write_bytes(sample_body)
    with Subscriber(broker) as subscriber, Installation(tmp_path, all_outputs(broker, web)) as bridge:
        assert b"code 0" in bridge.command("send", body, "--to", bridge.url)
        subscriber.wait(lambda s: s.on(f"{TREE}/late/event"))
        posted = web.wait()
        archived = wait_for_archive(bridge)

        [picture] = subscriber.on(f"{TREE}/late/picture")
        [event] = subscriber.on(f"{TREE}/late/event")
        assert picture.payload == jpeg
        assert subscriber.topics.index(picture.topic) < subscriber.topics.index(event.topic)
        assert not subscriber.on(f"{TREE}/event"), "a gate must not open for an event of 2023"
        document = msgspec.json.decode(event.payload)
        check_sample(document)

        assert (archived / "document.json").read_bytes() == event.payload
        assert (archived / "scene.jpg").read_bytes() == jpeg

        sent = msgspec.json.decode(posted.body)
        assert base64.b64decode(sent["data"]["pictures"][0].pop("data_base64")) == jpeg
        assert sent == document

        assert bridge.command("get", document["id"], "--original") == sample_body
        assert bridge.command("get", document["id"][:10], "--picture", 0) == jpeg
        assert msgspec.json.decode(bridge.command("get", document["data"]["msg_id"])) == document
        assert b'no event "a?c#d"' in bridge.command("get", "a?c#d", code=65)
        assert b"No such file or directory" in bridge.command("get", document["id"], "-o", tmp_path / "no/x", code=74)


def test_a_fresh_push_is_news(tmp_path: Path, mosquitto: Mosquitto, web: WebServer) -> None:
    """Given `boxbridge send` without a file, the event arrives on the topic that gates listen to."""
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, all_outputs(mosquitto, web)) as bridge:
        bridge.command("send")
        subscriber.wait(lambda s: s.on(f"{TREE}/event"))
        assert [message.payload[:2] for message in subscriber.on(f"{TREE}/picture")] == [b"\xff\xd8"]
        assert not subscriber.on(f"{TREE}/late/event")
        assert [lane["state"] for lane in bridge.status()["outputs"]] == ["open", "open", "open"]
        assert bridge.stop() == 0
        subscriber.wait(lambda s: s.on("boxbridge/plant-a/state")[-1].payload == b"stopped")


def test_a_push_as_a_websocket_message_reaches_every_output(
    tmp_path: Path, mosquitto: Mosquitto, web: WebServer, sample_body: bytes
) -> None:
    """Given the sample document, sent with `boxbridge send FILE --ws`, it is found in each output."""
    (tmp_path / "sample.json").write_bytes(sample_body)
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, all_outputs(mosquitto, web)) as bridge:
        shown = bridge.command("send", tmp_path / "sample.json", "--ws")
        assert shown.startswith(b"WebSocket  code 0  success")
        subscriber.wait(lambda s: s.on(f"{TREE}/late/event"))
        [event] = subscriber.on(f"{TREE}/late/event")
        assert msgspec.json.decode(web.wait().body)["id"] == msgspec.json.decode(event.payload)["id"]
        assert (wait_for_archive(bridge) / "document.json").read_bytes() == event.payload
        assert bridge.stop() == 0
    assert "WebSocket library" not in bridge.log.read_text()


def test_a_push_that_comes_twice_is_delivered_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Given the same push again, before and after a restart, each is answered with success; one event goes out."""
    outputs = f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"'
    body, marker = sample_push(small=True), sample_push(small=True)
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, outputs) as bridge:
        assert bridge.push(body)[1]["code"] == 0
        assert bridge.push(body)[1]["code"] == 0
        bridge.kill()
        bridge.start()
        assert bridge.push(body)[1]["code"] == 0
        assert bridge.push(marker)[1]["code"] == 0
        ids = [message_id(body), message_id(marker)]
        subscriber.wait(lambda s: ids[1] in delivered(s))
        assert set(delivered(subscriber)) == set(ids)
        assert bridge.status()["pushes"] == {"duplicate": 1, "stored": 1}


def test_a_field_of_a_wrong_type_is_kept_and_counted(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Given a frame number that is none, the event arrives with it under `extra`, and `status` names the field."""
    outputs = f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"'
    push = msgspec.json.decode(sample_push(small=True))
    push["message"]["data"]["frameIndex"] = ["many"]
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, outputs) as bridge:
        assert bridge.push(msgspec.json.encode(push))[1]["code"] == 0
        subscriber.wait(lambda s: s.on(f"{TREE}/event"))
        data = msgspec.json.decode(subscriber.on(f"{TREE}/event")[0].payload)["data"]
        assert data["frame"] is None
        assert data["extra"]["message.data.frameIndex"] == ["many"]
        odd = {"device": "DMB3160PWC21J00001", "field": "message.data.frameIndex", "count": 1}
        assert odd in bridge.status()["odd_fields"]
        assert b"message.data.frameIndex, 1 time" in bridge.command("status")


def test_a_reload_takes_over_what_is_right_and_refuses_what_is_wrong(
    tmp_path: Path, mosquitto: Mosquitto, web: WebServer
) -> None:
    """Given a changed file, `boxbridge reload` starts the new output; given a wrong one, all goes on as before."""
    first = f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"\n'
    second = f'[output.erp]\ntype = "webhook"\nurl = "{web.url}"\n'
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, first) as bridge:
        bridge.configure(first + second.replace("url", "ulr"))
        refused = bridge.command("reload", code=78).decode()
        assert 'unknown key "ulr", did you mean "url"?' in refused
        assert "The old configuration stays in force." in refused
        bridge.config.write_text(f'data = "{bridge.data}"\n[output')
        assert "not TOML" in bridge.command("reload", code=78).decode()
        assert bridge.status()["outputs"][0]["state"] == "open"
        bridge.push(sample_push(small=True))
        subscriber.wait(lambda s: len(delivered(s)) == 1)

        bridge.configure(first + second)
        bridge.config.write_text(bridge.config.read_text().replace('listen = ""', f'listen = "{HOST}:{free_port()}"'))
        assert b"a new control.listen is taken over by a restart only" in bridge.command("reload")
        bridge.push(sample_push(small=True))
        subscriber.wait(lambda s: len(delivered(s)) == 2)
        assert isinstance(web.wait(), Received)


def wait_for_archive(bridge: Installation) -> Path:
    """The archived event's files, under names that tests can write down."""
    folder = bridge.data / "archive"
    names = {".json": "document.json", ".jpg": "scene.jpg"}

    def files() -> list[Path]:
        event = folder.glob("*/DMB3160PWC21J00001/1/*")
        return [file for file in event if file.name.count(".") == 2 and file.suffix in names]

    bridge.until(lambda: len(files()) == len(names))
    found = bridge.folder / "found"
    found.mkdir()
    for file in files():
        (found / names[file.suffix]).write_bytes(file.read_bytes())
    return found


def check_sample(document: dict[str, Any]) -> None:
    """Every value of the vendor's document is in the event."""
    data = document["data"]
    assert document["time"].startswith("2023-11-20T06:39:47.132")
    assert document["source"] == "/plant-a/DMB3160PWC21J00001/1"
    assert data["msg_id"] == data["link"] == "398654df-7814-4e67-a38f-9f3e550c10ba"
    assert (data["kind"], data["name"], data["frame"]) == ("pre_offvehicle", "车辆离开", 7943)
    assert data["counts"] == {"车辆在场": 0, "车辆离开": 2}
    assert data["device"]["serial"] == "DMB3160PWC21J00001"
    assert data["device"]["name"] == "视频分析盒AB-H1"
    assert data["channel"] == {"id": "1", "name": "通道1"}
    assert data["skill"] == {"id": "offvehicle", "name": "车辆离开", "version": "2.0.0.0"}
    assert data["style"] == {"color": "RED", "renderType": 1, "strokeWidth": 3}
    assert data["regions"][0]["points"][0] == [pytest.approx(128 / 1920, abs=1e-6), pytest.approx(45 / 1080, abs=1e-6)]
    assert data["network"][0]["mac"] == "E0:A5:09:00:76:AD"
    assert data["extra"] == {}


def message_id(body: bytes) -> str:
    """The msg_id of a push."""
    return str(msgspec.json.decode(body)["msg_id"])


def delivered(subscriber: Subscriber) -> list[str]:
    """The msg_ids of all events that arrived, in their order."""
    events = [message.payload for message in list(subscriber.messages) if message.topic.endswith("/event")]
    return [msgspec.json.decode(event)["data"]["msg_id"] for event in events]
