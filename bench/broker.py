"""The broker: a real mosquitto on a free port, with every limit off so that nothing is dropped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.process import running
from bridge.testing.ports import free_port

_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
message_size_limit 0
max_inflight_messages 0
max_queued_messages 0
max_queued_bytes 0
set_tcp_nodelay true
log_type error
log_dest stderr
"""


@dataclass(frozen=True)
class Broker:
    """A running mosquitto."""

    port: int
    pid: int


@contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """Run mosquitto until the block ends; raises FileNotFoundError with the remedy where it is not installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
    port = free_port()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(_CONFIGURATION.format(port=port))
    with running([program, "-c", str(configuration)], port, folder / "mosquitto.log") as process:
        yield Broker(port, process.pid)
