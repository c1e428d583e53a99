"""The page about mapping, followed word by word: a vendor's push goes from a captured body to MQTT without any code."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bridge.testing.ports import HOST
from tests.brokers import Mosquitto, Subscriber
from tests.end_to_end.installation import Installation
from tests.end_to_end.test_main_job import delivered
from tests.protocols.test_mapper import ALARM, JPEG, multipart

PAGE = Path(__file__).parents[2] / "docs" / "mapper.md"


READ = ("device", "channel", "kind", "msg_id", "time", "time_format", "pictures")


def test_from_a_captured_body_to_mqtt_by_configuration_alone(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    output = f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"\n'
    captured = tmp_path / "captured" / "alarm.bin"
    now = f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y%m%d%H%M%S}"
    (tmp_path / "push").write_bytes(multipart(ALARM | {"alarmTime": now}))
    with Installation(tmp_path, output) as bridge, Subscriber(mosquitto) as subscriber:
        bridge.command("send", tmp_path / "push", "--to", f"http://{HOST}:{bridge.port}/camera", code=1)
        bridge.until(lambda: b"127.0.0.1" in bridge.command("unknown", "list"))
        bridge.command("unknown", "save", 1, "-o", captured)
        proposal = bridge.command("map", captured, "--path", "/camera").decode().splitlines()
        shown = [line for line in table.splitlines() if line.partition(" ")[0] in READ]
        assert len(shown) == len(READ)
        assert [line for line in shown if line not in proposal] == []

        bridge.configure(output + table)
        assert "[protocol.north]: captured bodies read: 1" in bridge.command("check").decode()
        bridge.command("reload")
        assert b"understood now" in bridge.command("unknown", "retry", "--all")
        subscriber.wait(lambda they: they.on("boxbridge/plant-a/CAM77/3/event"))
        assert delivered(subscriber) == ["A-1"]
        assert [message.payload for message in subscriber.on("boxbridge/plant-a/CAM77/3/picture")] == [JPEG]
        assert b"\n  serial CAM77, from 127.0.0.1\n" in bridge.command("devices", "--lang", "en")


def test_an_example_that_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "captured").mkdir()
    (tmp_path / "captured" / "broken.bin").write_bytes(multipart()[:-300])
    bridge = Installation(tmp_path, '[protocol.north]\npaths = ["/camera"]\nexamples = "captured"\n')
    assert b"broken.bin: not read by [protocol.north]: cut short" in bridge.command("check", code=65)
