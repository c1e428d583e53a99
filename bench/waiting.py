"""boxbridge with much behind it: starts, first answers and deliveries, and what an event costs meanwhile."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from bench.backlog import LATE, fill
from bench.broker import mosquitto
from bench.process import resident_mb, running
from bench.push import make_template
from bench.rig import rig
from bench.server import Boxbridge, dead_webhook
from bridge.protocols.skill import PATH
from bridge.testing import draw_dot, draw_scene, sample_push
from bridge.testing.ports import free_port

_PATIENCE = 120.0
_BOXBRIDGE = Boxbridge(output="")
_SPREAD = 0.005
"""Seconds between two tries to push while a server starts."""


@dataclass(frozen=True)
class Start:
    """How a start went, in seconds from the process's beginning."""

    answer: float
    """To the first push answered with success,"""
    delivery: float
    """and to the first event that arrived at the broker; 0 where there is no output."""
    peak: float
    """Highest resident memory in MB, a while after that."""


def prepare(folder: Path, *, events: int = 0, gigabytes: float = 0, scene: bool = False) -> int:
    """Make a journal with this much in it; returns how many events it holds."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    with running(_BOXBRIDGE.command(folder, port, 0), port, folder / "server.log"):
        _answered(port, sample_push(picture=draw_scene(seed=1, size=292_000) if scene else draw_dot()))
    return 1 + fill(folder / "data" / "journal", lambda count, size: count < events or size < gigabytes * 1e9)


def rebuild(folder: Path, environment: Mapping[str, str]) -> float:
    """Make the index again; returns seconds, the command's own start with it."""
    command = [str(Path(sys.executable).with_name("boxbridge")), "journal", "rebuild"]
    began = time.monotonic()
    subprocess.run([*command, "--folder", folder / "data" / "journal"], check=True, capture_output=True,
                   env=os.environ | dict(environment))  # fmt: skip
    return time.monotonic() - began


def start(folder: Path, environment: Mapping[str, str], *, watch: float = 5.0) -> Start:
    """Start with an output that has taken nothing of all that is there, and let it deliver for `watch` seconds."""
    port = free_port()
    with mosquitto(folder) as broker, _first_event(broker.port) as arrived:
        command = Boxbridge(output=LATE).command(folder, port, broker.port)
        began = time.monotonic()
        with running_at_once(command, folder / "server.log", environment) as server:
            answer = _first_answer(port) - began
            deadline = time.monotonic() + _PATIENCE
            while not arrived and time.monotonic() < deadline:
                time.sleep(_SPREAD)
            time.sleep(watch)
            return Start(
                answer, (arrived[0] if arrived else time.monotonic()) - began, resident_mb(server.pid, peak=True)
            )


def start_after_kill(folder: Path, environment: Mapping[str, str], pushes: int = 100) -> Start:
    """Push a little, kill the server as a power cut would, and start it again."""
    port = free_port()
    command = _BOXBRIDGE.command(folder, port, 0)
    with running_at_once(command, folder / "server.log", environment) as server:
        _first_answer(port)
        for _ in range(pushes):
            _answered(port, sample_push(picture=draw_dot()))
        server.send_signal(signal.SIGKILL)
        server.wait()
    began = time.monotonic()
    with running_at_once(command, folder / "server.log", environment) as server:
        return Start(_first_answer(port) - began, 0, resident_mb(server.pid, peak=True))


def cost(folder: Path, events: int, boxes: int, environment: Mapping[str, str]) -> tuple[float, float]:
    """Push events through to the broker while all that is there waits for an output that is away.

    Returns the server's milliseconds of CPU an event, and its highest resident memory in MB.
    """
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        server = Boxbridge(tables=dead_webhook(closed.getsockname()[1]))
        template = make_template(draw_dot())
        with rig(server, folder, template, events=events, boxes=boxes, environment=environment) as parts:
            before = parts.cpu_seconds()["server"]
            parts.push(parts.numbers)
            used = parts.cpu_seconds()["server"] - before
            if missing := events - parts.ledger.arrivals(parts.numbers):
                raise RuntimeError(f"{missing} of {events} events did not arrive")
            return used * 1000 / events, resident_mb(parts.server.pid, peak=True)


def read_time(path: Path) -> float:
    """Seconds that the disk needs to read a file."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.monotonic()
        while file.read(1 << 20):
            pass
        return time.monotonic() - began


@contextmanager
def running_at_once(command: list[str], log: Path, environment: Mapping[str, str]) -> Any:
    """Run a server until the block ends, which begins when the process does."""
    with log.open("wb") as sink:
        server = subprocess.Popen(command, stdout=sink, stderr=sink, env=os.environ | dict(environment))
    try:
        yield server
    finally:
        server.kill()
        server.wait()


@contextmanager
def _first_event(port: int) -> Any:
    """Subscribe; the block gets a list that holds the moment of the first event once it has come."""
    arrived: list[float] = []
    subscribed = threading.Event()

    def note(_client: Client, _userdata: Any, _message: MQTTMessage) -> None:
        if not arrived:
            arrived.append(time.monotonic())

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = note
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe([("boxbridge/bench/+/+/event", 1), ("boxbridge/bench/+/+/late/event", 1)])
    try:
        if not subscribed.wait(10):
            raise RuntimeError("the broker confirms no subscription")
        yield arrived
    finally:
        client.disconnect()
        client.loop_stop()


def _first_answer(port: int) -> float:
    """When the first push was answered with success, trying from now on."""
    body = sample_push(picture=draw_dot())
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            if _push(port, body) == 200:
                return time.monotonic()
        time.sleep(_SPREAD)
    raise RuntimeError(f"no push was answered with success within {_PATIENCE:g} s")


def _answered(port: int, body: bytes) -> None:
    status = _push(port, body)
    if status != 200:
        raise RuntimeError(f"a push was answered with {status}")


def _push(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
