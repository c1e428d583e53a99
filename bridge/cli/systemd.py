"""`boxbridge systemd`: the service unit for this installation and this configuration."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from bridge import systemd
from bridge.cli.options import config_option, load, service_environment
from bridge.config.load import find
from bridge.config.settings import Settings


@click.command("systemd")
@config_option
def systemd_command(config: Path | None) -> None:
    """Print a unit that runs this boxbridge with this configuration.

    It may write where the outputs of the configuration write, and waits for these mounts: make the unit again when
    that changes.
    """
    # Read as the daemon will read it there: with the unit's own state directory and the service's secrets.
    environment = {**service_environment(), "STATE_DIRECTORY": str(systemd.STATE_DIRECTORY)}
    settings, _ = load(config, environment)
    file = find(config, environment).absolute()
    executable = _executable()
    writes = _written(settings)
    for path in (executable, Path(sys.executable), file, *writes):
        if why := systemd.hidden(path):
            click.echo(f"warning: {path} {why}; use /opt, /srv or /etc", err=True)
    for path in writes:
        if not path.is_dir():
            click.echo(
                f"warning: {path} must be there before the start: install -d -o boxbridge -g boxbridge {path}", err=True
            )
    click.echo(systemd.unit(executable, file, writes), nl=False)


def _written(settings: Settings) -> list[Path]:
    """The folders outside of the state directory that the daemon writes to."""
    paths = [settings.data, *(path for output in settings.output.values() for path in _paths(output.options))]
    # An option that names a file, such as a certificate, is there to be read.
    return sorted({path for path in paths if not path.is_relative_to(systemd.STATE_DIRECTORY) and not path.is_file()})


def _paths(options: msgspec.Struct) -> Iterator[Path]:
    for value in msgspec.structs.astuple(options):
        if isinstance(value, Path):
            yield value
        elif isinstance(value, msgspec.Struct):
            yield from _paths(value)


def _executable() -> Path:
    running = Path(sys.argv[0]).absolute()
    return running if running.name == "boxbridge" else Path(sysconfig.get_path("scripts")) / "boxbridge"
