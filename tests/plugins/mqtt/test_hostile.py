"""Brokers that mean no good, each with the whole daemon before it: nothing is lost, and what can pass passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.dispatch import policy
from bridge.testing import sample_push
from tests.daemon import Running, bridge_with
from tests.plugins.mqtt.hostile import CLOSE, HostileBroker
from tests.rooms import until

pytestmark = pytest.mark.anyio
POISON = "POISON"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits after failures are short."""
    monkeypatch.setattr(policy, "OUTPUT_CAP", 0.1)
    monkeypatch.setattr(policy, "EVENT_CAP", 0.1)


def output(broker: HostileBroker, more: str = "") -> str:
    return f'[output.broker]\ntype = "mqtt"\nurl = "{broker.url}"\nprotocol = "5"\n{more}\n'


async def push(running: Running, *devices: str) -> None:
    async with running.box() as box:
        for device in devices:
            assert (await box.push(sample_push(small=True, device=device))).success


async def test_an_event_at_which_the_broker_closes_each_time_holds_no_other(tmp_path: Path) -> None:
    def close_at_poison(topic: str) -> int:
        return CLOSE if topic.endswith(f"{POISON}/1/event") else 0

    async with (
        HostileBroker(on_publish=close_at_poison) as broker,
        bridge_with(tmp_path, output(broker, 'retry_for = "0s"')) as running,
    ):
        await push(running, *["BOX"] * 50, POISON, *["BOX"] * 50)
        await until(lambda: len(broker.taken) == 100, within=60)
        await until(lambda: running.daemon.journal.cursors["broker"].dead == 1, within=60)
        (dead,) = (await running.socket.get("/api/v1/dead")).json()["letters"]
        story = (await running.socket.get(f"/api/v1/why/{dead['id']}")).json()
        (died,) = (step for step in story["outputs"][0]["steps"] if step["what"] == "dead")
    assert "the far side fell each time it was given this event: connection lost" in died["reason"]


@pytest.mark.parametrize(
    ("hostile", "more"),
    [
        (lambda _: None, 'ack_timeout = "300ms"'),
        (lambda _: 131, ""),
        (lambda _: 151, ""),
        (lambda _: CLOSE, ""),
    ],
    ids=["never acknowledges", "implementation error", "quota exceeded", "closes"],
)
async def test_nothing_is_lost_while_the_broker_is_hostile(
    tmp_path: Path, hostile: Callable[[str], int | None], more: str
) -> None:
    async with HostileBroker(on_publish=hostile) as broker, bridge_with(tmp_path, output(broker, more)) as running:
        await push(running, *["BOX"] * 20)
        await until(lambda: any(topic.endswith("/event") for topic in broker.topics) or len(broker.topics) > 3)
        broker.on_publish = lambda _: 0
        await until(lambda: len(broker.taken) == 20, within=30)
        await until(lambda: not running.daemon.journal.cursors["broker"].dead)


async def test_a_broker_that_sends_a_byte_at_a_time_is_slow_and_no_more(tmp_path: Path) -> None:
    async with HostileBroker(pause=0.01) as broker, bridge_with(tmp_path, output(broker)) as running:
        await push(running, *["BOX"] * 5)
        await until(lambda: len(broker.taken) == 5, within=30)
    assert set(broker.taken.values()) == {1}


async def test_a_topic_that_is_not_allowed_is_told_with_the_brokers_reason(tmp_path: Path) -> None:
    def refuse(topic: str) -> int:
        return 135 if topic.endswith("/event") else 0

    async with HostileBroker(on_publish=refuse) as broker, bridge_with(tmp_path, output(broker)) as running:
        await push(running, "BOX")
        await until(lambda: running.daemon.journal.cursors["broker"].dead == 1)
        (dead,) = (await running.socket.get("/api/v1/dead")).json()["letters"]
    assert dead["reason"] == "the broker refuses the message: Not authorized"
