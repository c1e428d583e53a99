"""Reloads under load open anew only what changed, lose no push that was answered, and keep no device waiting."""

from __future__ import annotations

import re
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from bridge.testing import sample_push
from tests.brokers import Mosquitto, Subscriber
from tests.end_to_end.installation import Installation

ARCHIVE = '[output.local]\ntype = "archive"\n'
RELOADS = 6


class Pushing:
    """A box that pushes one after the other, until it is told to stop."""

    def __init__(self, bridge: Installation) -> None:
        self.answered: list[str] = []
        self.refused: list[object] = []
        self._bridge, self._over = bridge, threading.Event()
        self._thread = threading.Thread(target=self._push)

    def has_answers(self, count: int) -> bool:
        """Whether so many of its pushes were answered with success."""
        return len(self.answered) >= count

    def _push(self) -> None:
        while not self._over.is_set():
            kind = f"pre_{id(self)}_{len(self.answered)}"
            status, answer = self._bridge.push(sample_push(small=True, kind=kind))
            if (status, answer["code"]) == (200, 0):
                self.answered.append(kind)
            else:
                self.refused.append(answer)

    def __enter__(self) -> Pushing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("changed", ["another output", "the output itself"])
def test_reloads_under_load_lose_nothing_and_leave_alone_what_did_not_change(
    tmp_path: Path, mosquitto: Mosquitto, changed: str
) -> None:
    broker = f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"\n'
    tables = {
        "another output": (broker, broker + '[output.other]\ntype = "archive"\npath = "other"\n'),
        "the output itself": (broker, broker + "in_flight = 8\n"),
    }[changed]
    with Installation(tmp_path, ARCHIVE + tables[0]) as bridge, Subscriber(mosquitto, "+/+/+/+/event") as subscriber:
        since = {output["name"]: output["since"] for output in bridge.status()["outputs"]}
        boxes = [Pushing(bridge) for _ in range(3)]
        with boxes[0], boxes[1], boxes[2]:
            for number in range(1, RELOADS + 1):
                before = len(boxes[0].answered)
                bridge.configure(ARCHIVE + tables[number % 2])
                bridge.command("reload")
                bridge.until(partial(boxes[0].has_answers, before + 5))
        answered = [kind for box in boxes for kind in box.answered]
        assert [box.refused for box in boxes] == [[]] * 3
        bridge.until(lambda: {o["name"]: o["waiting"] for o in bridge.status()["outputs"]} == {"local": 0, "broker": 0})

        def arrived() -> Counter[str]:
            found = (re.search(rb'"kind":"(\w+)"', message.payload) for message in list(subscriber.messages))
            return Counter(match[1].decode() for match in found if match)

        subscriber.wait(lambda _: arrived().keys() >= set(answered), within=30)
        stands = {output["name"]: output for output in bridge.status()["outputs"]}
        assert stands["local"]["since"] == since["local"]
        assert (stands["broker"]["since"] == since["broker"]) is (changed == "another output")
        assert (stands["local"]["dead"], stands["broker"]["dead"]) == (0, 0)


def test_a_reload_that_is_asked_for_during_the_start_comes_after_it(tmp_path: Path) -> None:
    """Else the signal ends the daemon, which systemd takes for a clean end: it does not start it again."""
    bridge = Installation(tmp_path, ARCHIVE)
    bridge.plugins_dir.mkdir()
    (bridge.plugins_dir / "early.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGHUP)\n")
    bridge.config.write_text(f'plugins_dir = "{bridge.plugins_dir}"\n' + bridge.config.read_text())
    with bridge:
        bridge.until(lambda: "configuration taken over" in bridge.log.read_text())
