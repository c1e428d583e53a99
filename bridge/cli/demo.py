"""`boxbridge demo`: the main job with nothing but this machine: an embedded broker, a simulated box, a subscriber."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import click
import uvloop
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bridge import log
from bridge.cli.language import lang_option
from bridge.cli.options import load
from bridge.cli.run import banner
from bridge.daemon import Daemon
from bridge.errors import FileTrouble, UsageError
from bridge.testing import Box, draw_scene, sample_push
from bridge.testing.ports import HOST, free_port
from bridge.words import say

FOLDER: Final = "boxbridge-demo"
PUSH_SECONDS: Final = 2.0
DEVICES_PORT: Final = 8600
PEOPLES_PORT: Final = 8601
_JPEG: Final = b"\xff\xd8"
_SHOWN: Final = 160
_SETTLE_SECONDS: Final = 3.0
_BROKER_SECONDS: Final = 10.0
_CONFIGURATION: Final = """\
# What `boxbridge demo` runs with. The broker lives only as long as the demo.
site = "demo"
data = "data"

[server]
listen = "127.0.0.1:{devices}"

[control]
listen = "127.0.0.1:{people}"

[output.local]
type = "archive"

[output.broker]
type = "mqtt"
url = "mqtt://127.0.0.1:{broker}"
"""
_BROKER: Final = """\
id = 0
[router]
id = 0
max_connections = 20
max_outgoing_packet_count = 200
max_segment_size = 20971520
max_segment_count = 2
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20000000
max_inflight_count = 100
"""


@click.command("demo")
@click.option("--pushes", type=click.IntRange(min=1), metavar="N", help="Stop after so many; else on Ctrl-C.")
@lang_option
def demo_command(pushes: int | None, lang: str) -> None:
    """Do the main job in ./boxbridge-demo, with an embedded MQTT broker and a simulated box."""
    log.configure("text", "warning")
    folder = Path(FOLDER).resolve()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FileTrouble(f"{folder}: {error.strerror}; go to a folder that you may write to") from error
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C while it opens: it has closed what was open
        uvloop.run(_demo(folder, pushes, lang))


async def _demo(folder: Path, pushes: int | None, lang: str) -> None:
    began = time.monotonic()
    with _broker(folder) as port:
        devices, people = (usual if _is_free(usual) else free_port() for usual in (DEVICES_PORT, PEOPLES_PORT))
        file = folder / "boxbridge.toml"
        file.write_text(_CONFIGURATION.format(devices=devices, people=people, broker=port), encoding="utf-8")
        settings, plugins = load(file)
        async with Daemon(file, settings, plugins) as daemon, _subscriber(port, lang) as arrived:
            await daemon.dispatcher.settle(_SETTLE_SECONDS)
            print(banner(daemon, time.monotonic() - began, lang), flush=True)
            print(f"\n{say(lang, 'demo begins', seconds=PUSH_SECONDS)}\n", flush=True)
            pushing = asyncio.create_task(_push(f"http://{HOST}:{devices}", pushes, arrived))
            serving = asyncio.create_task(daemon.serve())
            done, _ = await asyncio.wait({pushing, serving}, return_when=asyncio.FIRST_COMPLETED)
            daemon.stop()
            pushing.cancel()
            await asyncio.wait({pushing, serving})
            for task in done:
                task.result()
    print(f"\n{say(lang, 'demo ended', folder=folder)}")


async def _push(url: str, pushes: int | None, arrived: asyncio.Semaphore) -> None:
    """Be a box: draw, push, wait for the answer, until enough have arrived at the subscriber."""
    number = 0
    async with Box(url) as box:
        while pushes is None or number < pushes:
            picture = await asyncio.to_thread(draw_scene, seed=number)
            await box.push(sample_push(device="DEMO-BOX-1", picture=picture, targets=number % 4))
            await arrived.acquire()
            number += 1
            if number != pushes:
                await asyncio.sleep(PUSH_SECONDS)


@contextlib.asynccontextmanager
async def _subscriber(port: int, lang: str) -> AsyncIterator[asyncio.Semaphore]:
    """Print what arrives on MQTT; the semaphore counts events."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Semaphore(0)

    def show(_client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            print(f"{time.strftime('%H:%M:%S')}  {message.topic}   {_shown(bytes(message.payload), lang)}", flush=True)
        except BrokenPipeError:  # nobody reads on: the same as Ctrl-C
            signal.raise_signal(signal.SIGINT)
            return
        if message.topic.endswith("/event"):
            loop.call_soon_threadsafe(arrived.release)

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = show
    await asyncio.to_thread(client.connect, HOST, port)
    client.loop_start()
    client.subscribe("#", qos=1)
    try:
        yield arrived
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


def _shown(payload: bytes, lang: str) -> str:
    if payload.startswith(_JPEG):
        return say(lang, "demo picture", kilobytes=len(payload) / 1000)
    text = payload.decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@contextlib.contextmanager
def _broker(folder: Path) -> Iterator[int]:
    """The embedded broker, in a process of its own; yields its port."""
    try:
        import iotcore  # noqa: F401
    except ImportError as error:
        raise UsageError("the demo needs an embedded MQTT broker: pip install 'boxbridge[demo]'") from error
    port = free_port()
    config = folder / "broker.toml"
    config.write_text(_BROKER.format(port=port), encoding="utf-8")
    command = [sys.executable, "-m", "iotcore", "--log-level", "CRITICAL", "--config", str(config)]
    with (folder / "broker.log").open("wb") as output:
        # A session of its own: Ctrl-C is for us, and we stop it when everything has been said.
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)  # noqa: S603
    try:
        _wait_until_open(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _BROKER_SECONDS
    while _is_free(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise FileTrouble(f"the embedded broker did not start; see {FOLDER}/broker.log")
        time.sleep(0.02)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
