"""Five outputs that do harm cost their own deliveries only: each is named with the reason, and MQTT goes on."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from bridge.testing import sample_push
from bridge.testing.bridge import Bridge
from tests.brokers import Mosquitto, Subscriber
from tests.end_to_end.installation import Installation

BAD = Path(__file__).parents[2] / "bench" / "drop_in" / "bad_outputs.py"
NAMES = ("raises", "hangs", "leaks", "exits", "blocks")
PUSHES = 60


def test_outputs_that_do_harm_are_named_and_mqtt_has_every_event(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "plugins").mkdir()
    shutil.copy(BAD, tmp_path / "plugins")
    tables = "".join(f'[output.{name}]\ntype = "{name}"\ntimeout = "1s"\n' for name in NAMES)
    broker = f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"\n'
    installation = Installation(tmp_path, broker + tables)
    installation.config.write_text('plugins_dir = "plugins"\n' + installation.config.read_text())
    with installation, Subscriber(mosquitto, "+/+/+/+/event") as subscriber:
        pushed = [sample_push(small=True, kind=f"pre_{number}") for number in range(PUSHES)]
        assert [installation.push(body)[1]["code"] for body in pushed] == [0] * PUSHES
        subscriber.wait(lambda it: len(it.messages) == PUSHES, within=60)

        def reasons() -> dict[str, str]:
            outputs = {output["name"]: output for output in installation.status()["outputs"]}
            assert outputs["broker"]["state"] == "open"
            return {name: f"{outputs[name]['state']}: {outputs[name]['reason']}" for name in NAMES}

        def named() -> bool:
            found = reasons()
            return (
                found["raises"].startswith("waiting: ValueError: no good: pre_")
                and found["hangs"] == "waiting: no answer within 1s"
                and found["leaks"].startswith("paused: its code started 1")
                and found["exits"] == "waiting: RuntimeError: the output called sys.exit()"
                and found["blocks"].startswith("paused: its code held the event loop ")
            )

        installation.until(named, within=60)
        log = installation.log.read_text()
        for name in ("hangs", "leaks", "blocks"):
            assert f"output {name} ({name}) is " in log
        assert "code of a plugin wanted to end boxbridge, which goes on" in log
        assert f"bad_outputs.py, line {_line('a task has had enough')}" in log
        assert installation.stop() == 0


STUCK = """
import time
from bridge import Output, hookimpl

class Stuck(Output):
    type = "stuck"
    async def deliver(self, delivery):
        (self.data / "held").touch()
        time.sleep(60)

@hookimpl
def register_outputs():
    return [Stuck]
"""


def test_what_holds_the_event_loop_for_good_is_named_when_the_watchdog_ends_it(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path, '[output.stuck]\ntype = "stuck"\n')
    (bridge.plugins_dir / "stuck.py").write_text(STUCK)
    with bridge:
        bridge.push(sample_push(small=True))
        bridge.until((bridge.data / "held").exists)
        assert bridge.process is not None
        bridge.process.send_signal(signal.SIGABRT)  # as systemd does
        assert bridge.process.wait(20) == -signal.SIGABRT
    assert f'{bridge.plugins_dir / "stuck.py"}", line 9 in deliver' in bridge.log.read_text()


def _line(text: str) -> int:
    return next(number for number, line in enumerate(BAD.read_text().splitlines(), 1) if text in line)
