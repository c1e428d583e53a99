"""`boxbridge run`: the daemon in the foreground, as systemd and people start it."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop

from bridge import __version__, log
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, load
from bridge.config.address import host_and_port, is_any, joined
from bridge.config.load import find
from bridge.config.settings import ServerSettings
from bridge.daemon import Daemon
from bridge.dispatch.lane import LaneReport
from bridge.errors import UsageError
from bridge.protocols.skill import PATH
from bridge.words import padded, say, translated

_SETTLE_SECONDS = 1.0


@click.command("run")
@config_option
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for people, or JSON.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is told at least.",
)
@click.option("--output", metavar="NAME", help="Only this output, without a daemon: one attempt with a sample.")
@click.option("--plugin", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="With --output: this drop-in file beside those that are installed.")  # fmt: skip
@click.option("--from-journal", type=click.IntRange(min=1), metavar="N",
              help="With --output: the newest N events of the journal, in place of the sample.")  # fmt: skip
@lang_option
def run_command(
    config: Path | None,
    log_format: Any,
    log_level: Any,
    output: str | None,
    plugin: Path | None,
    from_journal: int | None,
    lang: str,
) -> None:
    """Take pushes and bring their events out, until SIGTERM or Ctrl-C.

    With --output one output is tried alone: what it makes of each event is shown, and nothing is kept of it. An output
    that has no table in the configuration runs with its defaults.
    """
    if output is not None:
        from bridge.cli.alone import run_alone

        log.configure(log_format, log_level)
        run_alone(config, plugin, output, from_journal or 0, lang)
        return
    if plugin or from_journal:
        raise UsageError("--plugin and --from-journal are for one output alone: name it with --output")
    began = time.monotonic()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # until the daemon listens to it: it would end it
    file = find(config)
    settings, plugins = load(file)
    log.configure(log_format, log_level, zone=settings.timezone)
    faulthandler.enable()  # the watchdog ends what holds the event loop for good, and only so it is named
    _tune_garbage_collection()
    _take_all_descriptors()
    run_through(serve(Daemon(file, settings, plugins), began, lang))


def run_through(serving: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, on an event loop that no `sys.exit()` of a plugin's task or callback ends.

    Ctrl-C while it opens: it closes what is open.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        task = loop.create_task(serving)
        loop.add_signal_handler(signal.SIGINT, task.cancel)
        while True:
            try:
                return loop.run_until_complete(task)
            except asyncio.CancelledError:
                return None
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done():
                    raise
                said = "code of a plugin wanted to end boxbridge, which goes on"
                structlog.get_logger("boxbridge.daemon").error(said, plugin_code=_place(error), exc_info=error)


def _place(error: BaseException) -> str:
    """Where something was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno}"


async def serve(daemon: Daemon, began: float, lang: str) -> None:
    """Run a daemon with a banner for people at a terminal; raises BridgeError at the start."""
    async with daemon:
        if sys.stderr.isatty():
            await daemon.dispatcher.settle(_SETTLE_SECONDS)
            print(banner(daemon, time.monotonic() - began, lang), file=sys.stderr)
        await daemon.serve()


def _take_all_descriptors() -> None:
    """Take as many files and connections as the process may have: the usual 1,024 are soon held by stuck senders."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tune_garbage_collection() -> None:
    """Leave what lives as long as the process out of every pass, and pass less often: it is a tenth of the time.

    So what comes and goes all the time must not be held by itself, for it would stay for minutes: tests/remains.py
    looks for that in connections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def banner(daemon: Daemon, seconds: float, lang: str) -> str:
    """What a person wants to know first: what to type into the box, and whether the outputs are there."""
    settings, lanes = daemon.settings, daemon.dispatcher.reports()
    lines = [
        ("devices", _typed_into_a_box(settings.server, lang)),
        *([("console", f"http://{_reached_at(settings.control.listen)}")] if settings.control.listen else []),
        ("outputs", "    ".join(_in_short(lane, lang) for lane in lanes) or say(lang, "only kept")),
        ("journal", say(lang, "count waiting", count=sum(lane.waiting for lane in lanes))),
    ]
    return "\n".join(
        [
            say(lang, "banner", version=__version__, config=daemon.config, site=settings.site, data=settings.data),
            *(f"  {padded(say(lang, f'title {title}'), 12)}{content}" for title, content in lines),
            say(lang, "ready", seconds=seconds),
        ]
    )


def _typed_into_a_box(server: ServerSettings, lang: str) -> str:
    at, s = _reached_at(server.listen), "s" if server.cert else ""
    token = "/<token>" if server.token else ""
    return f"http{s}://{at}{token}{PATH}      {say(lang, 'type into box', url=f'ws{s}://{at}{token}/')}"


def _in_short(lane: LaneReport, lang: str) -> str:
    state = say(lang, f"is {lane.state}")
    how = [state, translated(lang, lane.reason)] if lane.reason else [state]
    return f"{lane.name} ({lane.type}) {say(lang, 'and').join(how)}"


def _reached_at(listen: str) -> str:
    host, port = host_and_port(listen)
    return joined(_own_address() if is_any(host) else host, port)


def _own_address() -> str:
    """This host's address towards the network; a UDP socket that is connected sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
