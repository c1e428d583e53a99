"""A whole daemon and a far side that misbehaves: nothing is lost, nothing fills memory, and it goes on by itself.

`BOXBRIDGE_TABLE=/dev/stdout pytest -n0 -q -s tests/plugins/webhook/test_hostile.py` prints what was measured.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.testing import sample_push
from tests.daemon import Running, bridge_with
from tests.plugins.certificates import Certificates
from tests.plugins.hostile_table import note
from tests.plugins.webhook import moods
from tests.plugins.webhook.moods import FarSide, Mood, far_side

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

EVENTS = 5
MOST_MEMORY = 40_000_000
"""Bytes that the process may gain, far side and daemon together: it is one process here."""


class Case(NamedTuple):
    """A way to misbehave, and what it leads to."""

    name: str
    mood: Mood
    means: str
    """delivered, waiting or dead"""
    reason: str = ""
    duplicates: int = EVENTS
    """At most, of what came whole before all was well."""


CASES = [
    Case("never answers", moods.silent, "waiting", "no answer within 1 s"),
    Case("hangs up in the middle of the request", moods.early, "waiting", "", 0),
    Case("hangs up in the middle of the answer's head", moods.cut_head, "waiting", "without sending a response"),
    Case("hangs up in the middle of the answer's body", moods.cut_body, "delivered", "", 0),
    Case("one byte a second, from the first", moods.slow_head, "waiting", "no answer within 1 s"),
    Case("one byte a second, of the body", moods.slow_body, "delivered", "", 0),
    Case("headers without end", moods.endless_head, "waiting"),
    Case("interim answers without end", moods.endless_wait, "waiting", "no answer within 1 s"),
    Case("a body without end", moods.endless_body, "delivered", "", 0),
    Case("an answer of 100 MB", moods.huge, "delivered", "", 0),
    Case("a body shorter than it says", moods.too_long, "delivered", "", 0),
    Case("a body longer than it says", moods.too_short, "delivered or waiting", ""),
    Case("two lengths that differ", moods.no_length, "waiting"),
    Case("redirects to itself", moods.redirecting, "dead", "HTTP 307", 0),
    Case("asks for patience: 503, Retry-After: 1", moods.busy, "waiting", "HTTP 503"),
]


async def push_some(running: Running) -> None:
    async with running.box() as box:
        for _ in range(EVENTS):
            assert (await box.push(sample_push(small=True))).success


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


IMPATIENT = 'timeout = "1s"\nconnect_timeout = "500ms"\n'
"""For far sides that never come to an end."""


@asynccontextmanager
async def bridging(folder: Path, side: FarSide, keys: str = "", scheme: str = "http") -> AsyncIterator[Running]:
    table = f'[output.erp]\ntype = "webhook"\nurl = "{scheme}://127.0.0.1:{side.port}/hook"\n'
    async with bridge_with(folder, table + keys) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_far_side_that_misbehaves_costs_no_event(tmp_path: Path, case: Case) -> None:
    keys = "" if case.means == "delivered" else IMPATIENT
    async with far_side(case.mood) as side, bridging(tmp_path, side, keys) as running:
        before = resident()
        await push_some(running)
        states = {
            "delivered": lambda it: it["delivered"] == EVENTS,
            "waiting": lambda it: it["state"] == "waiting",
            "dead": lambda it: it["dead"] == EVENTS,
            "delivered or waiting": lambda it: it["delivered"] == EVENTS or it["state"] == "waiting",
        }
        found = await running.until(states[case.means])
        reason = str(found["reason"])
        if case.means == "dead":
            letters = (await running.control.get("/api/v1/dead")).json()
            reason = str(letters["letters"][0]["reason"] if "letters" in letters else letters)
        assert case.reason in reason
        gained = resident() - before
        assert gained < MOST_MEMORY
        came_before = sum(side.got.values())
        await side.heal()
        healed = time.monotonic()
        if case.means == "dead":
            await running.control.post("/api/v1/dead/retry", json={"all": True})
        await running.until(lambda it: it["delivered"] == EVENTS and it["waiting"] == 0, 70)
        seconds = time.monotonic() - healed
        assert came_before <= 20 * EVENTS
        lost = EVENTS - len(side.got)
        duplicates = sum(side.got.values()) - len(side.got)
        note(
            case.name,
            "delivered" if found["delivered"] == EVENTS else f"{case.means}: {reason}",
            lost,
            duplicates,
            seconds,
            gained,
        )
        assert lost == 0
        if case.duplicates == 0:
            assert duplicates == 0


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 this is no TLS\r\n")
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await asyncio.wait_for(reader.read(-1), 20)
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("speaks no TLS", "TLS failed"),
        ("TLS handshake that never ends", "no connection within 0.5 s"),
        ("a certificate that nobody vouches for", "its certificate is not trusted"),
        ("a certificate for another name", "its certificate is not trusted"),
        ("a certificate that has expired", "its certificate is not trusted: certificate has expired"),
    ],
)
async def test_a_far_side_with_tls_trouble_costs_no_event(
    tmp_path: Path, certificates: Certificates, name: str, reason: str
) -> None:
    wrong = {
        "a certificate that nobody vouches for": "stranger",
        "a certificate for another name": "elsewhere",
        "a certificate that has expired": "expired",
    }.get(name)
    async with far_side(None) as side:
        if wrong:
            await side.serve(certificates.server(wrong))
        else:
            await side.serve(talk=hang_up if name == "speaks no TLS" else say_nothing)
        async with bridging(tmp_path, side, f'{IMPATIENT}ca = "{certificates.ca}"', "https") as running:
            before = resident()
            await push_some(running)
            found = str((await running.until(lambda it: it["state"] == "waiting"))["reason"])
            assert reason in found
            gained = resident() - before
            await side.heal(certificates.server("server"))
            healed = time.monotonic()
            await running.until(lambda it: it["delivered"] == EVENTS, 70)
            note(f"TLS: {name}", f"waiting: {found}", EVENTS - len(side.got), 0, time.monotonic() - healed, gained)
            assert set(side.got.values()) == {1}
            assert len(side.got) == EVENTS


async def test_a_far_side_that_wants_a_certificate_gets_it(tmp_path: Path, certificates: Certificates) -> None:
    wanting = certificates.server("server")
    wanting.load_verify_locations(certificates.ca)
    wanting.verify_mode = ssl.CERT_REQUIRED
    keys = f'ca = "{certificates.ca}"\ncert = "{certificates.path("client")}"\nkey = "{certificates.key("client")}"'
    async with far_side(None, wanting) as side, bridging(tmp_path, side, keys, "https") as running:
        await push_some(running)
        await running.until(lambda it: it["delivered"] == EVENTS)
        assert len(side.got) == EVENTS


async def test_a_far_side_that_wants_a_certificate_and_gets_none_is_waited_for(
    tmp_path: Path, certificates: Certificates
) -> None:
    wanting = certificates.server("server")
    wanting.load_verify_locations(certificates.ca)
    wanting.verify_mode = ssl.CERT_REQUIRED
    async with (
        far_side(None, wanting) as side,
        bridging(tmp_path, side, f'ca = "{certificates.ca}"', "https") as running,
    ):
        await push_some(running)
        await running.until(lambda it: it["state"] == "waiting")
        assert not side.got
