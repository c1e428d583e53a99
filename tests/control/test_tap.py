"""Who watches live sees what happens, and costs nothing but the looking."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge import Delivery, Rejected, Unavailable
from bridge.config.settings import SOCKET
from bridge.control import tap as tap_module
from bridge.control.tap import WATCHERS, Tap, Wanted
from bridge.testing import sample_event, sample_push
from tests.daemon import Running, bridge_with
from tests.rooms import Bringing, Far, async_output, until

pytestmark = pytest.mark.anyio

SINK = '[output.sink]\ntype = "sink"\n'


class Watcher:
    """What somebody has seen so far."""

    def __init__(self, running: Running, query: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self._running, self._query = running, query
        self.watching = asyncio.Event()

    async def watch(self) -> None:
        async with self._running.socket.stream("GET", f"/api/v1/tap?{self._query}", timeout=30) as answer:
            assert answer.status_code == 200, await answer.aread()
            self.watching.set()
            async for line in answer.aiter_lines():
                self.seen.append(json.loads(line))

    def what(self) -> list[str]:
        return [line["what"] for line in self.seen]


@asynccontextmanager
async def watching(running: Running, query: str = "") -> AsyncIterator[Watcher]:
    watcher = Watcher(running, query)
    task = asyncio.create_task(watcher.watch())
    try:
        async with asyncio.timeout(10):
            await watcher.watching.wait()
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_comes_and_goes_is_shown_as_it_happens(tmp_path: Path) -> None:
    far = Far()

    def answer(delivery: Delivery) -> str | None:
        if delivery.event.kind == "pre_bad":
            raise Rejected("too large")
        if delivery.event.kind == "pre_away" and delivery.attempt == 1:
            raise Unavailable("gone", after=0.01)
        return None

    far.answer = answer
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        await until(lambda: running.daemon.dispatcher.lanes["sink"].report().state == "open")
        async with watching(running) as watcher:
            same = sample_push(small=True, kind="pre_good", targets=3)
            for body in (same, same, b"hello", sample_push(small=True, kind="pre_bad")):
                await box.push(body)
            await until(lambda: far.given and len(watcher.seen) >= 8)
            await box.push(sample_push(small=True, kind="pre_away"))
            await until(lambda: [line["what"] for line in watcher.seen].count("delivery") == 4, within=30)
    of = {what: [line for line in watcher.seen if line["what"] == what] for what in watcher.what()}
    assert [line["outcome"] for line in of["push"]] == ["stored", "duplicate", "refused", "stored", "stored"]
    assert of["push"][0] | {"at": ""} == {
        "what": "push",
        "at": "",
        "peer": "127.0.0.1",
        "protocol": "skill",
        "device": "DMB3160PWC21J00001",
        "outcome": "stored",
        "reason": "",
        "path": "/dataPush/DataReportCB",
        "transport": "http",
        "bytes": len(same),
    }
    assert (of["push"][2]["device"], bool(of["push"][2]["reason"])) == ("", True)
    assert [line["kind"] for line in of["event"]] == ["pre_good", "pre_bad", "pre_away"]
    good = of["event"][0]
    assert (good["channel"], good["counts"], good["pictures"]) == ("1", {"车辆在场": 3, "车辆离开": 2}, 1)
    assert [(line["kind"], line["outcome"], line["reason"], line["attempt"]) for line in of["delivery"]] == [
        ("pre_good", "delivered", "", 1),
        ("pre_bad", "dead", "too large", 1),
        ("pre_away", "failed", "gone", 1),
        ("pre_away", "delivered", "", 2),
    ]
    assert of["delivery"][0]["id"] == good["id"]
    assert of["delivery"][0]["seconds"] >= 0
    assert [(line["state"], line["reason"]) for line in of["output"]] == [("waiting", "gone"), ("open", "found")]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("what=pushes", {"push"}),
        ("what=events,deliveries", {"event", "delivery"}),
        ("device=gate-*&what=events", {"event"}),
        ("device=other", set()),
        ("kind=pre_off*", {"push", "event", "delivery"}),
        ("kind=fire", set()),
        ("what=deliveries&output=sink", {"delivery"}),
        ("what=deliveries&output=erp", set()),
    ],
)
async def test_only_what_is_wanted_is_shown(tmp_path: Path, query: str, shown: set[str]) -> None:
    far = Far()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        await until(lambda: running.daemon.dispatcher.lanes["sink"].report().state == "open")
        async with watching(running, query) as watcher, watching(running) as all_of_it:
            await box.push(sample_push(small=True, device="gate-3"))
            await until(lambda: len(all_of_it.seen) == 3)
            await until(lambda: set(watcher.what()) >= shown)
    assert set(watcher.what()) == shown


@contextmanager
def who_never_reads(running: Running) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(str(running.daemon.settings.data / SOCKET))
        connection.sendall(b"GET /api/v1/tap HTTP/1.1\r\nHost: x\r\n\r\n")
        yield connection


def watched(running: Running) -> int:
    return len(running.daemon.intake.on_answer)


async def test_who_reads_too_slowly_is_told_how_much_was_left_out_and_slows_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "MOST", 20)
    far = Far()
    pushes = 1500
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        with who_never_reads(running) as connection:
            await until(lambda: watched(running))
            for _ in range(pushes):
                assert (await box.push(sample_push(small=True))).success
            await until(lambda: len(far.taken) == pushes)
            connection.settimeout(10)
            text = b""
            while text.count(b'"what":"dropped"') < 1 or sum(counts(text)) < 3 * pushes:
                text += await asyncio.to_thread(connection.recv, 65536)
            assert sum(counts(text)) >= 3 * pushes


def counts(text: bytes) -> list[int]:
    """How many lines each line stands for."""
    lines = [line for line in text.split(b"\n") if line.startswith(b'{"what":') and line.endswith(b"}")]
    return [json.loads(line).get("count", 1) for line in lines]


async def test_who_is_gone_watches_no_more_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        before = [plugin.name for plugin in running.daemon.plugins.loaded]
        async with watching(running):
            assert watched(running) == 1
            assert len(running.daemon.plugins.loaded) == len(before) + 1
        await until(lambda: not watched(running))
        assert [plugin.name for plugin in running.daemon.plugins.loaded] == before


async def test_it_ends_after_so_many_seconds_and_when_the_daemon_stops(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        began = time.monotonic()
        await Watcher(running, "seconds=0.2").watch()
        assert 0.2 <= time.monotonic() - began < 5
        staying = Watcher(running, "")
        task = asyncio.create_task(staying.watch())
        await staying.watching.wait()
        running.daemon.taps.close()
        await asyncio.wait_for(task, 5)
        answer = await running.socket.get("/api/v1/tap")
        assert (answer.status_code, answer.json()["error"]) == (409, "boxbridge is stopping")


async def test_no_more_watch_than_may_and_only_what_there_is(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        watchers = [Watcher(running, "") for _ in range(WATCHERS)]
        tasks = [asyncio.create_task(watcher.watch()) for watcher in watchers]
        await until(lambda: watched(running) == WATCHERS)
        answer = await running.socket.get("/api/v1/tap")
        assert (answer.status_code, "8 are watching already" in answer.text) == (409, True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for query, said in (
            ("what=pushes,birds", '"birds" can\'t be watched: pushes, events and deliveries can'),
            ("seconds=soon", '"soon" is no number of seconds'),
            ("seconds=nan", '"nan" is no number of seconds'),
            ("seconds=-inf", '"-inf" is no number of seconds'),
        ):
            answer = await running.socket.get(f"/api/v1/tap?{query}")
            assert (answer.status_code, answer.json()["error"]) == (400, said)


async def test_lines_that_came_before_the_end_are_still_read() -> None:
    tap = Tap(Wanted())
    tap.event_accepted(sample_event(small=True))
    tap.end()
    assert [json.loads(lines)["what"] async for lines in tap.read()] == ["event"]


def test_of_an_event_with_counts_without_end_so_many_are_told() -> None:
    tap = Tap(Wanted())
    counts = {f"{number}{'x' * 10_000}": number for number in range(1000)}
    tap.event_accepted(sample_event().with_(counts=counts))
    (line,) = tap._taken()
    assert len(msgspec.json.encode(line)) < 10_000
