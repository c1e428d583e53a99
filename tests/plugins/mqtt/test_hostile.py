"""A whole daemon and a broker that means no good: nothing is lost, what can pass passes, and it goes on by itself.

`BOXBRIDGE_TABLE=/dev/stdout pytest -n0 -q -s tests/plugins/mqtt/test_hostile.py` prints what was measured.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bridge.dispatch import policy
from bridge.testing import sample_push
from tests.daemon import Running, bridge_with
from tests.plugins.certificates import Certificates
from tests.plugins.hostile_table import note
from tests.plugins.mqtt.hostile import CLOSE, HostileBroker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

EVENTS = 20
POISON = "POISON"
IMPATIENT = 'connect_timeout = "1s"\nack_timeout = "1s"\n'
"""For brokers that say nothing."""
SHUTTING_DOWN = b"\xe0\x02\x8b\x00"
ENDLESS = b"\x30\xff\xff\xff\x7f"
"""The head of a message of 256 MB."""


class Case(NamedTuple):
    """A way to misbehave, and what it leads to."""

    name: str
    mood: dict[str, Any]
    """Of a `HostileBroker`, until it is healed."""
    means: str
    """delivered, waiting, paused or dead"""
    reason: str = ""
    duplicates: int = 0
    """At most, of what came whole before all was well."""
    keys: str = ""


def refusing_events(topic: str) -> int:
    return 135 if topic.endswith("/event") else 0


CASES = [
    Case("never answers CONNECT", {"connack": b""}, "waiting", "no answer within 1s", 0, IMPATIENT),
    Case("answers CONNECT with nonsense", {"connack": b"\0\0\5\xff\xff"}, "waiting", "before the broker answered"),
    Case("one byte a second", {"pause": 1}, "waiting", "no answer within 1s", 0, IMPATIENT),
    Case("one byte every 10 ms", {"pause": 0.01}, "delivered"),
    Case("refuses the connection: busy", {"connack": b"\0\x89\0"}, "waiting", "Server busy"),
    Case("refuses user name and password", {"connack": b"\0\x86\0"}, "paused", "Bad user name or password"),
    Case("takes no acknowledged messages", {"connack": b"\0\0\2\x24\0"}, "paused", "Maximum QoS 0"),
    Case("shuts down as soon as it is connected to", {"and_then": SHUTTING_DOWN}, "waiting", "Server shutting down"),
    Case("begins a message of 256 MB", {"and_then": ENDLESS}, "waiting", "268 MB"),
    Case("never acknowledges", {"on_publish": lambda _: None}, "waiting", "nothing for 1s", EVENTS, IMPATIENT),
    Case("fails each message", {"on_publish": lambda _: 131}, "waiting", "Implementation specific error"),
    Case("fails each message: quota exceeded", {"on_publish": lambda _: 151}, "waiting", "Quota exceeded"),
    Case("acknowledges with a code that is none", {"on_publish": lambda _: 5}, "waiting", "connection lost", EVENTS),
    Case("refuses each event as not authorized", {"on_publish": refusing_events}, "dead", "message: Not authorized"),
    Case("closes at each message", {"on_publish": lambda _: CLOSE}, "waiting", "connection lost"),
]


def output(broker: HostileBroker, more: str = "") -> str:
    return f'[output.broker]\ntype = "mqtt"\nurl = "{broker.url}"\nprotocol = "5"\n{more}\n'


async def push(running: Running, *devices: str) -> None:
    async with running.box() as box:
        for device in devices:
            assert (await box.push(sample_push(small=True, device=device))).success


async def reason_of_the_first_dead(running: Running) -> str:
    return str((await running.socket.get("/api/v1/dead")).json()["letters"][0]["reason"])


async def mended(running: Running, broker: HostileBroker, case: str, what: str, pushed: int = EVENTS) -> int:
    """Wait until all is delivered, note the row, and say how many events came twice."""
    well = time.monotonic()
    await running.until(lambda it: it["delivered"] == pushed and not it["waiting"], 70)
    twice = broker.came.total() - len(broker.came)
    note(case, what, pushed - len(broker.taken), twice, time.monotonic() - well)
    assert len(broker.taken) == pushed
    return twice


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_broker_that_misbehaves_costs_no_event(tmp_path: Path, case: Case) -> None:
    async with HostileBroker(**case.mood) as broker, bridge_with(tmp_path, output(broker, case.keys)) as running:
        await push(running, *["BOX"] * EVENTS)
        reached = {
            "delivered": lambda it: it["delivered"] == EVENTS,
            "dead": lambda it: it["dead"] == EVENTS,
        }.get(case.means, lambda it: it["state"] == case.means)
        found = await running.until(reached)
        reason = await reason_of_the_first_dead(running) if case.means == "dead" else found["reason"]
        assert case.reason in reason
        broker.heal()
        if case.means == "dead":
            await running.socket.post("/api/v1/dead/retry", json={"all": True})
        if case.means == "paused":
            await running.socket.post("/api/v1/outputs/broker/resume", json={})
        what = "delivered" if case.means == "delivered" else f"{case.means}: {reason}"
        assert await mended(running, broker, case.name, what) <= case.duplicates


async def test_a_broker_that_is_killed_again_and_again_costs_no_event(tmp_path: Path) -> None:
    async with HostileBroker() as broker, bridge_with(tmp_path, output(broker)) as running:
        for _ in range(3):
            await push(running, *["BOX"] * EVENTS)
            await broker.leave()
            found = await running.until(lambda it: it["state"] == "waiting")
            await broker.serve()
        twice = await mended(running, broker, "killed in the midst, three times", f"waiting: {found['reason']}", 60)
    assert twice <= 3 * EVENTS


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stranger", "the broker's certificate is not accepted: self-signed certificate"),
        ("elsewhere", "the broker's certificate is not accepted: IP address mismatch"),
        ("expired", "the broker's certificate is not accepted: certificate has expired"),
        ("", "TLS failed"),
    ],
)
async def test_a_broker_with_tls_trouble_costs_no_event(
    tmp_path: Path, certificates: Certificates, name: str, reason: str
) -> None:
    async with HostileBroker(tls=certificates.server("server")) as broker:
        await broker.turn_to(certificates.server(name) if name else None)
        async with bridge_with(tmp_path, output(broker, f'ca = "{certificates.ca}"')) as running:
            await push(running, *["BOX"] * EVENTS)
            found = await running.until(lambda it: it["state"] == "waiting")
            assert reason in found["reason"]
            await broker.turn_to(certificates.server("server"))
            case = f"TLS: {name} certificate" if name else "TLS: speaks none"
            assert await mended(running, broker, case, f"waiting: {found['reason']}") == 0


async def test_an_event_at_which_the_broker_closes_each_time_holds_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "OUTPUT_CAP", 0.1)

    def close_at_poison(topic: str) -> int:
        return CLOSE if topic.endswith(f"{POISON}/1/event") else 0

    keys = 'retry_for = "0s"'
    async with HostileBroker(close_at_poison) as broker, bridge_with(tmp_path, output(broker, keys)) as running:
        await push(running, *["BOX"] * 50, POISON, *["BOX"] * 50)
        await running.until(lambda it: it["dead"] == 1 and it["delivered"] == 100, 60)
        (dead,) = (await running.socket.get("/api/v1/dead")).json()["letters"]
        story = (await running.socket.get(f"/api/v1/why/{dead['id']}")).json()
        (died,) = (step for step in story["outputs"][0]["steps"] if step["what"] == "dead")
        assert "the far side fell each time it was given this event: connection lost" in died["reason"]
        broker.heal()
        await running.socket.post("/api/v1/dead/retry", json={"all": True})
        what = f"the others pass; dead: {died['reason']}"
        await mended(running, broker, "closes at one event each time, of 101", what, 101)
