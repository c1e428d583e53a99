"""The fixtures that pytest gets from boxbridge, and the verdict that it prints on a contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge import Event
from bridge.event import utc_now
from bridge.testing import BoxAnswer
from bridge.testing.bridge import Bridge
from bridge.testing.brokers import Broker, Subscriber
from bridge.testing.pytest_plugin import Clock

ARCHIVE = '[output.local]\ntype = "archive"\n'


def test_a_sample_event_has_a_scene_that_can_be_read(sample_event: Event) -> None:
    assert sample_event.scene is not None
    assert len(sample_event.scene.read_blocking()) == sample_event.scene.size


def test_a_box_pushes_a_sample_to_a_bridge_and_its_output_gets_it(
    bridge_with: Callable[[str], Bridge], fake_box: Callable[[str, bytes], BoxAnswer], sample_push: bytes
) -> None:
    first, second = bridge_with(ARCHIVE), bridge_with(ARCHIVE)
    assert fake_box(first.url, sample_push).success
    first.until(lambda: first.output("local")["delivered"] == 1)
    assert second.output("local")["delivered"] == 0
    assert first.stop() == 0


def test_a_bridge_can_be_killed_and_started_again(bridge_with: Callable[[str], Bridge], sample_push: bytes) -> None:
    bridge = bridge_with(ARCHIVE)
    bridge.push(sample_push)
    bridge.kill()
    bridge.start()
    bridge.until(lambda: bridge.output("local")["waiting"] == 0)
    assert len(list((bridge.data / "archive").glob("2*/*/*/*.jpg"))) == 1


def test_the_clock_goes_where_it_is_put_and_on_from_there(clock: Clock) -> None:
    true = datetime.now(UTC)
    clock.advance(3600)
    assert timedelta(minutes=59) < utc_now() - true < timedelta(minutes=61)
    clock.put(datetime(2030, 1, 1, tzinfo=UTC))
    began = time.time()
    assert utc_now().year == 2030
    while time.time() == began:
        pass
    assert time.time() > began


def test_a_broker_is_there(mqtt_broker: Broker) -> None:
    with Subscriber(mqtt_broker) as subscriber:
        assert subscriber.messages == []


VERDICT = """
import pytest

class TestGate:
    size = 7

    @pytest.mark.promise("first", "with {size} things")
    def test_first(self):
        pass

    @pytest.mark.promise("second", "somehow")
    def test_second(self):
        pytest.fail("it came twice\\nin two lines", pytrace=False)

    @pytest.mark.promise("third", "somehow")
    def test_third(self):
        pytest.skip("nobody said how")

    @pytest.mark.promise("fourth", "somehow")
    def test_fourth(self):
        raise KeyError("gate")
"""


def verdict(folder: Path, tests: str, locale: str = "C.UTF-8") -> list[str]:
    """What pytest prints on these tests, from the contract's title on."""
    (folder / "test_gate.py").write_text(tests)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        cwd=folder, env=os.environ | {"LC_ALL": locale, "PYTHONUTF8": "1"},
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    lines = [line.strip("= ") if "Gate" in line else line.rstrip() for line in ended.stdout.splitlines()]
    return lines[next(number for number, line in enumerate(lines) if re.match("contract of|Gate 的", line)) :]


def test_the_verdict_is_a_table_in_the_order_of_the_contract(tmp_path: Path) -> None:
    assert verdict(tmp_path, VERDICT)[:8] == [
        "contract of Gate: 1 kept, 2 BROKEN, 1 not tried",
        "first   with 7 things  kept",
        "second  somehow        BROKEN",
        "    it came twice",
        "third   somehow        not tried",
        "    nobody said how",
        "fourth  somehow        BROKEN",
        "    KeyError: 'gate'",
    ]


PROMISES = """
import pytest

class TestGate:
    deliveries = 10_000

    @pytest.mark.promise("no picture", "an event whose push has none")
    def test_kept(self):
        pass

    @pytest.mark.promise(
        "it does not grow", "{deliveries:,} deliveries in a process of its own: memory, files, threads, tasks"
    )
    def test_broken(self):
        pytest.fail("over 10,000 deliveries 7 files of each 2,000 are left behind", pytrace=False)

    @pytest.mark.promise("of its own", "an event whose push has none")
    def test_of_its_own(self):
        pytest.skip("a plain deliver runs in a thread, which nobody can cancel")
"""


def test_the_verdict_is_told_in_chinese_where_that_is_the_locale(tmp_path: Path) -> None:
    """What nobody has put into Chinese, a promise of a test's own, stands in English, and all in its column."""
    assert verdict(tmp_path, PROMISES, "zh_CN.UTF-8")[:6] == [
        "Gate 的契约：1 遵守，1 违反，1 未验证",
        "没有图片        推送不带图片的事件                                  遵守",
        "资源占用不增长  在独立进程中投递 10,000 次：内存、文件、线程、任务  违反",
        "    投递 10,000 次期间，每 2,000 次遗留 7 个 files",
        "of its own      推送不带图片的事件                                  未验证",
        "    普通的 deliver 在线程中运行，无法取消",
    ]
