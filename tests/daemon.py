"""A daemon in the test's own loop, from a configuration file, on free ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from bridge.config.load import read
from bridge.config.settings import SOCKET
from bridge.daemon import Daemon
from bridge.plugins import Plugins
from bridge.protocols.skill import PATH
from bridge.testing import Box
from bridge.testing.ports import HOST, free_port


class Running:
    """A daemon that runs."""

    def __init__(self, daemon: Daemon, port: int, control_port: int) -> None:
        self.daemon = daemon
        self.url = f"http://{HOST}:{port}{PATH}"
        # What nobody is to vouch for need not be read for each client: it takes as long as the start of the daemon.
        self.control = httpx2.AsyncClient(base_url=f"http://{HOST}:{control_port}", verify=False)
        socket = httpx2.AsyncHTTPTransport(uds=str(daemon.settings.data / SOCKET), verify=False)
        self.socket = httpx2.AsyncClient(base_url="http://boxbridge", transport=socket, verify=False)

    def box(self) -> Box:
        """A box that pushes to it."""
        return Box(self.url)

    async def output(self) -> dict[str, Any]:
        """How its only output is."""
        (output,) = (await self.socket.get("/api/v1/outputs")).json()
        assert isinstance(output, dict)
        return output

    async def until(self, condition: Callable[[dict[str, Any]], object], within: float = 30) -> dict[str, Any]:
        """Wait until its only output is so, and say how it is then."""
        deadline = time.monotonic() + within
        while not condition(output := await self.output()):
            assert time.monotonic() < deadline, f"not within {within} s: {output}"
            await asyncio.sleep(0.02)
        return output


def configure(folder: Path, outputs: str, *, control: bool = True, password: str = "") -> tuple[int, int]:
    """Write the configuration, with drop-in plugins from `plugins` beside it; returns the ports."""
    port, control_port = free_port(), free_port()
    (folder / "plugins").mkdir(exist_ok=True)
    control_listen = f"{HOST}:{control_port}" if control else ""
    (folder / "boxbridge.toml").write_text(
        f'site = "plant-a"\ndata = "data"\ntimezone = "Asia/Shanghai"\nplugins_dir = "plugins"\n'
        f'[server]\nlisten = "{HOST}:{port}"\n[control]\nlisten = "{control_listen}"\n'
        f"{password}{outputs}\n",
        encoding="utf-8",
    )
    return port, control_port


@asynccontextmanager
async def bridge_with(
    folder: Path, outputs: str = "", *plugins: object, control: bool = True, password: str = ""
) -> AsyncIterator[Running]:
    """Run a daemon with these tables; `plugins` are registered besides what is installed or dropped in.

    `password`: the line of [control] for it, with its end.
    """
    port, control_port = configure(folder, outputs, control=control, password=password)
    file = folder / "boxbridge.toml"
    source = read(file)
    loaded = Plugins().load(source.plugins_dir)
    for number, plugin in enumerate(plugins):
        loaded.register(plugin, f"test {number}")
    settings = source.settings(loaded.outputs, [broken.reason for broken in loaded.broken])
    async with Daemon(file, settings, loaded) as daemon:
        running = Running(daemon, port, control_port)
        async with running.control, running.socket:
            yield running
