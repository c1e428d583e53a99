"""A push that nothing understood: shown, saved, and taken once a plugin understands it; by the installed command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from bridge.testing.ports import HOST
from tests.end_to_end.installation import Installation

BODY = b'{"camera": "gate-3", "alarm": "line crossed", "picture": "' + b"QUJD" * 200 + b'"}'
ANOTHER = b'{"hello": "world"}'
PLUGIN = """
import json

from bridge import Answer, Device, Event, Key, Normalizer, Parsed, hookimpl, new_id


class Cameras(Normalizer):
    name = "cameras"

    def recognizes(self, push):
        return b'"alarm"' in push.body

    def parse(self, push):
        told = json.loads(push.body)
        device = Device(id=told["camera"])
        event = Event(
            id=new_id(push.received), kind=told["alarm"], device=device, occurred=push.received, received=push.received
        )
        return Parsed(message="alarm", device=device.id, key=Key(device.id, event.id, bytes(16)), events=(event,))

    def answer(self, push, parsed, outcome):
        return Answer(status=200 if outcome.success else outcome.status, body=b"{}")


@hookimpl
def register_normalizers():
    return [Cameras()]
"""


def listed(bridge: Installation) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in bridge.command("unknown", "list", "--json").splitlines()]


def test_what_nothing_understood_is_shown_saved_and_taken_after_a_change(tmp_path: Path) -> None:
    with Installation(tmp_path, '[output.local]\ntype = "archive"\n') as bridge:
        assert bridge.command("unknown", "list") == b"there is nothing that was not understood\n"
        for body in (BODY, ANOTHER):
            (tmp_path / "body").write_bytes(body)
            bridge.command("send", tmp_path / "body", "--to", f"http://{HOST}:{bridge.port}/camera", code=1)
        bridge.until(lambda: len(listed(bridge)) == 2)
        text = bridge.command("unknown", "show", 1).decode()
        assert "POST /camera" in text
        assert "content-type: application/json" in text
        assert "(800 characters)" in text
        assert "无法识别" in bridge.command("unknown", "show", 1, "--lang", "zh").decode()
        assert "push 9 " in bridge.command("unknown", "show", 9, code=65).decode()
        bridge.command("unknown", "save", 1, "-o", tmp_path / "captured.json")
        assert (tmp_path / "captured.json").read_bytes() == BODY

        bridge.command("unknown", "retry", "--all", code=1)
        assert [entry["number"] for entry in listed(bridge)] == [2, 1]

        bridge.stop()
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "cameras.py").write_text(PLUGIN)
        bridge.config.write_text('plugins_dir = "plugins"\n' + bridge.config.read_text())
        bridge.start()
        assert "understood now" in bridge.command("unknown", "retry", 1).decode()
        assert [entry["number"] for entry in listed(bridge)] == [2]
        bridge.until(lambda: b"local delivered" in bridge.command("events", "--device", "gate-3"))
