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


def dead_webhook(port: int) -> str:
    """The table of a webhook to a port that nobody listens on."""
    return f'[output.dead]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'


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
    """boxbridge with an MQTT output of this name, unless it is empty, these tables besides, and where a port is given
    pages for people."""

    name: str = "boxbridge"
    output: str = "broker"
    tables: str = ""
    plugins: Path | None = None
    """The folder of drop-in plugins that they need."""
    control_port: int = 0

    def command(self, folder: Path, port: int, broker_port: int) -> list[str]:
        """Write its configuration into `folder`; return the command that serves on `port`."""
        control = f"127.0.0.1:{self.control_port}" if self.control_port else ""
        text = f'plugins_dir = "{self.plugins}"\n' if self.plugins else ""
        text += _CONFIGURATION.format(data=folder / "data", port=port, control=control)
        if self.output:
            text += _MQTT_OUTPUT.format(name=self.output, broker_port=broker_port)
        text += self.tables
        configuration = folder / "boxbridge.toml"
        configuration.write_text(text)
        return [str(Path(sys.executable).with_name("boxbridge")), "run", "-c", str(configuration)]


Server = Naive | Boxbridge
