"""The daemon: it wires the rooms, opens and closes them in order, and takes a new configuration over."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import structlog

from bridge import __version__, systemd
from bridge.config.address import host_and_port
from bridge.config.certificate import tls_context
from bridge.config.load import read
from bridge.config.restart import without_restart
from bridge.config.settings import JOURNAL, LINKS, SOCKET, Settings
from bridge.control import api
from bridge.control.browser import NoForeignPages
from bridge.control.connection import SeatedProtocol, seats_for_people
from bridge.control.door import Doorkeeper, PasswordDoor
from bridge.control.house import Reloaded
from bridge.control.tap import Taps
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.history import OutputHistory
from bridge.dispatch.replays import Replays
from bridge.errors import BridgeError, ConfigError, Problem
from bridge.eventline import EventLog
from bridge.journal.journal import Journal, Keep
from bridge.links import Links
from bridge.listener import Listener, at_once, tcp_socket, unix_socket
from bridge.plugins import Plugins
from bridge.receiver.guard import GuardedProtocol
from bridge.receiver.http import Door
from bridge.receiver.intake import Intake
from bridge.receiver.tls import Secured

log = structlog.get_logger("boxbridge.daemon")

_STAYS: Final = "The old configuration stays in force."


class Daemon:
    """Everything that runs, for one configuration file: `async with Daemon(…) as daemon: await daemon.serve()`."""

    version = __version__

    def __init__(self, config: Path, settings: Settings, plugins: Plugins) -> None:
        self.config = config
        self.settings = settings
        self.plugins = plugins
        self.started = time.time()
        self.journal = Journal(settings.data / JOURNAL, _keep(settings))
        self.intake = Intake(self.journal, plugins, settings)
        self.links = Links(settings.data / LINKS)
        self.links.address = settings.control.address or ""
        self.dispatcher = Dispatcher(self.journal, plugins, lambda: self.intake.devices.last_seen, self.links.to)
        cert, key = settings.server.cert, settings.server.key
        self._secured = Secured(tls_context(cert, key), GuardedProtocol) if cert else None
        self.replays = Replays(self.journal, self.dispatcher)
        self.plugins.register(EventLog(self._open_outputs), "event lines")
        self.plugins.register(OutputHistory(self.journal), "output history")
        self.taps = Taps(plugins, self.intake)
        self._opened = contextlib.AsyncExitStack()
        self.stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._keeper = Doorkeeper(self)
        self._pages = api.Pages(self, self._keeper)
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- Life

    async def __aenter__(self) -> Self:
        """Open the rooms, downstream first, so that nothing is taken that could not be kept; raises BridgeError."""
        async with contextlib.AsyncExitStack() as opened:
            self.journal.lock()  # before the ports: who has both is another boxbridge, and that is to be said
            opened.callback(self.journal.unlock)
            devices = self._devices_socket()
            opened.callback(devices.close)
            await self.journal.open({name: output.from_ for name, output in self.settings.output.items()})
            opened.push_async_callback(self.journal.close)
            await asyncio.to_thread(self.links.open)
            await self.intake.devices.open()
            opened.push_async_callback(self.intake.devices.close)
            opened.push_async_callback(self.dispatcher.stop)
            await self.dispatcher.apply(self.settings)
            opened.push_async_callback(self.replays.close)
            self.replays.open()
            commands = unix_socket(self.settings.data / SOCKET)
            opened.callback(commands.close)
            people = api.application(self, self._pages)
            listeners = [
                Listener(Door(self.intake), [devices], self._secured or GuardedProtocol),
                Listener(people, [commands]),
            ]
            if self.settings.control.listen:
                port = tcp_socket(self.settings.control.listen)
                opened.callback(port.close)
                door = PasswordDoor(people, self._keeper, self.settings.control.listen)
                guarded = NoForeignPages(door, self.settings.control.listen)
                listeners.append(Listener(guarded, [port], partial(SeatedProtocol, seats_for_people())))
            for listener in listeners:
                opened.push_async_callback(listener.stop)
            for listener in listeners:
                await listener.start()
            opened.callback(self.taps.close)
            self._opened = opened.pop_all()
        self._warn_of_parked([cursor.name for cursor in self.journal.parked])
        for broken in self.plugins.broken:
            log.warning("a plugin could not be loaded", reason=broken.reason)
        return self

    def _devices_socket(self) -> socket.socket:
        listen = self.settings.server.listen
        passed = systemd.passed_socket()
        if passed is None:
            return tcp_socket(listen)
        if passed.getsockname()[1] != host_and_port(listen)[1]:
            log.warning("systemd's socket has another port than server.listen: make its unit again",
                        listen=listen, port=passed.getsockname()[1])  # fmt: skip
        return at_once(passed)

    async def __aexit__(self, *_: object) -> None:
        """Close the rooms, upstream first: what was received is answered, what is under way gets a moment."""
        systemd.stopping()
        log.info("stopping")
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await self._opened.aclose()
        log.info("stopped")

    async def serve(self) -> None:
        """Say that all is ready, load the pages where they have an address, go on until SIGTERM, SIGINT or `stop`."""
        self._listen_to_signals()
        self._say_ready()
        if self.settings.control.listen:
            self._keep_task(asyncio.create_task(self._pages.load()))
        await self.stopping.wait()

    def stop(self) -> None:
        """End `serve`."""
        self.stopping.set()

    # --- Reload

    async def reload(self) -> Reloaded:
        """Take the file over; where it is wrong, or anything fails, raises BridgeError and goes on as before."""
        async with self._reloading:
            systemd.reloading()
            try:
                return await self._take_over(await asyncio.to_thread(self._read_again))
            except ConfigError as error:
                refused = ConfigError(error.problems, _STAYS)
                log.error("reload refused", error=str(refused))
                raise refused from None
            except Exception as error:
                log.exception("reload failed", file=str(self.config))
                raise BridgeError(f"the reload failed: {type(error).__name__}: {error}. {_STAYS}") from error
            finally:
                systemd.ready(self._status_line())

    def _read_again(self) -> Settings:
        source = read(self.config)
        if not source.tables:  # as an editor leaves it that is about to write
            raise ConfigError([Problem(str(self.config), "there is nothing in it: every output would be dropped")])
        broken = [plugin.reason for plugin in self.plugins.broken]
        return source.settings(self.plugins.outputs, [*broken, "New plugins are loaded by a restart"])

    async def _take_over(self, settings: Settings) -> Reloaded:
        settings, after_restart = without_restart(self.settings, settings)
        for key in after_restart:
            log.warning(f"a new {key} is taken over by a restart only", file=str(self.config))
        running = self.settings
        try:
            await self._put_in_force(settings)
        except Exception:
            await self._put_in_force(running)
            raise
        finally:
            self.journal.configure(self.settings.output)
        log.info("configuration taken over", file=str(self.config))
        dropped = [name for name in running.output if name not in settings.output]
        self._warn_of_parked(dropped)
        return Reloaded(after_restart=after_restart, dropped=dropped)

    async def _put_in_force(self, settings: Settings) -> None:
        if self._secured and settings.server.cert:
            self._secured.context = tls_context(settings.server.cert, settings.server.key)
        self.settings = self.intake.settings = settings
        self.journal.keep = _keep(settings)
        self.links.address = settings.control.address or ""
        await self.dispatcher.apply(settings)

    # --- Signals, systemd, people

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one that came during the start comes now

    def _reload_on_signal(self) -> None:
        async def reload() -> None:
            try:
                await self.reload()
            except BridgeError:
                return  # logged where it was refused

        self._keep_task(asyncio.create_task(reload()))

    def _keep_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say_ready(self) -> None:
        systemd.ready(self._status_line())
        self._keep_task(asyncio.create_task(self._keep_systemd_informed()))

    async def _keep_systemd_informed(self) -> None:
        seconds = systemd.watchdog_seconds()
        while True:
            await asyncio.sleep(min(10.0, seconds / 3 if seconds else 10.0))
            systemd.watchdog()
            systemd.status(self._status_line())

    def _status_line(self) -> str:
        waiting = [f"{lane.name} {lane.state} ({lane.waiting} waiting)" for lane in self.dispatcher.reports()]
        return "; ".join(waiting) or "no outputs"

    def _open_outputs(self) -> set[str]:
        return {lane.name for lane in self.dispatcher.reports() if lane.state == "open"}

    def _warn_of_parked(self, names: list[str]) -> None:
        for name in names:
            cursor = self.journal.cursors.get(name)  # an output that never was enabled has none
            waiting = cursor.waiting(self.journal.next) if cursor else 0
            log.warning("an output is no longer configured; its events are kept, as much as its backlog says",
                        output=name, waiting=waiting)  # fmt: skip


def _keep(settings: Settings) -> Keep:
    journal = settings.journal
    return Keep(
        settled=journal.keep,
        history=journal.history,
        dead=journal.keep_dead,
        quota=journal.quota,
        when_full=journal.when_full,
        backlog={name: str(output.backlog) for name, output in settings.output.items()},
    )
