"""The command `boxbridge`: a group whose commands are imported only when they are used."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from bridge import __version__
from bridge.errors import BridgeError, FileTrouble
from bridge.log import escaped

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
_LAST_SECONDS = 5.0
"""How long threads that keep the process may take to end by themselves."""
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells know it."""

# Command -> module of bridge.cli that defines it, as a click command of the same name.
COMMANDS = {
    "run": "run",
    "demo": "demo",
    "init": "configuration",
    "check": "configuration",
    "config": "configuration",
    "schema": "configuration",
    "send": "send",
    "tap": "tap",
    "events": "events",
    "why": "why",
    "get": "events",
    "dead": "dead",
    "replay": "replay",
    "devices": "devices",
    "outputs": "outputs",
    "unknown": "unknown",
    "map": "map",
    "status": "status",
    "reload": "status",
    "journal": "journal",
    "doctor": "doctor",
    "plugins": "plugins",
    "password": "password",
    "systemd": "systemd",
    "completion": "completion",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of a first use, then those of plugins."""
        return [*COMMANDS, *sorted(self._of_plugins)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; only one that is not ours costs loading the plugins."""
        if cmd_name not in COMMANDS:
            return self._of_plugins.get(cmd_name)
        module = importlib.import_module(f"bridge.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is named; what goes wrong is said in the language that its user reads."""
        try:
            return super().invoke(ctx)
        except BridgeError as error:
            from bridge.cli.language import told_in
            from bridge.words import translated

            error.args = (translated(told_in(ctx), str(error)),)
            raise

    @cached_property
    def _of_plugins(self) -> Mapping[str, click.Command]:
        from bridge.cli.plugins import plugins_folder
        from bridge.config.settings import PLUGINS_DIR
        from bridge.plugins import Plugins

        named = os.environ.get("BOXBRIDGE_CONFIG")
        try:
            folder = plugins_folder(Path(named) if named else None)
        except BridgeError:
            folder = PLUGINS_DIR  # who asks for help may have a configuration to mend
        from bridge.cli.installation import CalledInstallation

        group = click.Group()
        Plugins().load(folder).tell("register_commands", group=group, installation=CalledInstallation())
        return group.commands


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boxbridge")
def cli() -> None:
    """Takes the pushes of AI video-analysis boxes and brings every event out."""


def main() -> int:
    """Run the command line; errors for people are one message and an exit code, never a traceback."""
    _open_what_is_closed()
    try:
        code = _run()
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        _abandon_stdout()
        return _fail(f"the output can't be written: {error.strerror}", FileTrouble.exit_code)
    if _kept_by():
        last = threading.Timer(_LAST_SECONDS, _end_without_threads, (code,))
        last.daemon = True
        last.start()
    return code


def _kept_by() -> list[str]:
    """The threads that keep the process, since Python waits for them at its end."""
    threads = threading.enumerate()
    return [thread.name for thread in threads if not thread.daemon and thread is not threading.main_thread()]


def _end_without_threads(code: int) -> None:
    """End at once: what is ours is closed, and what a plugin left may run for ever."""
    said = "threads that a plugin left still run; boxbridge ends without them: %s"
    logging.getLogger("boxbridge").warning(said, ", ".join(_kept_by()))
    os._exit(code)


def _open_what_is_closed() -> None:
    """Stand in for standard streams that are closed, as with `>&-`: the next socket would else take their place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _run() -> int:
    try:
        return cli(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BridgeError as error:
        return _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED


def _fail(sentence: str, exit_code: int) -> int:
    print(*map(escaped, sentence.split("\n")), sep="\n", file=sys.stderr)
    return exit_code


def _abandon_stdout() -> None:
    """Let what is still to be written go nowhere: Python tries again when it ends, and would say so."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
