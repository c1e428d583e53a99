"""The servers that are measured: boxbridge as it is installed, and the plain script."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_CONFIGURATION = """\
site = "bench"
data = "{data}"

[server]
listen = "127.0.0.1:{port}"

[control]
listen = "{control}"
"""
_MQTT_OUTPUT = """
[output.{name}]
type = "mqtt"
url = "mqtt://127.0.0.1:{broker_port}"
"""
_DEAD_OUTPUT = """
[output.dead]
type = "webhook"
url = "http://127.0.0.1:{port}/"
"""


@dataclass(frozen=True)
class Naive:
    """The plain script of bench/naive.py."""

    name: str = "naive"

    def command(self, folder: Path, port: int, broker_port: int) -> list[str]:
        """Return the command that serves on `port`; it stores nothing in `folder`."""
        script = Path(__file__).with_name("naive.py")
        return [sys.executable, str(script), "--port", str(port), "--broker-port", str(broker_port)]


@dataclass(frozen=True)
class Boxbridge:
    """boxbridge with an MQTT output of this name, unless it is empty, and where a port is given a webhook that nobody
    answers, or pages for people."""

    name: str = "boxbridge"
    output: str = "broker"
    dead_port: int = 0
    control_port: int = 0

    def command(self, folder: Path, port: int, broker_port: int) -> list[str]:
        """Write its configuration into `folder`; return the command that serves on `port`."""
        control = f"127.0.0.1:{self.control_port}" if self.control_port else ""
        text = _CONFIGURATION.format(data=folder / "data", port=port, control=control)
        if self.output:
            text += _MQTT_OUTPUT.format(name=self.output, broker_port=broker_port)
        if self.dead_port:
            text += _DEAD_OUTPUT.format(port=self.dead_port)
        configuration = folder / "boxbridge.toml"
        configuration.write_text(text)
        return [str(Path(sys.executable).with_name("boxbridge")), "run", "-c", str(configuration)]


Server = Naive | Boxbridge
