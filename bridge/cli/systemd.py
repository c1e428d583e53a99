"""`boxbridge systemd`: the service unit for this installation and this configuration."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import click
import msgspec

from bridge.cli import units
from bridge.cli.options import config_option, load, service_environment
from bridge.config.address import host_and_port
from bridge.config.defaults import STATE_DIRECTORY
from bridge.config.load import find, read
from bridge.config.settings import Settings
from bridge.errors import UsageError


@click.command("systemd")
@config_option
@click.option("--socket", "as_socket", is_flag=True, help="Print the unit of the socket that devices push to.")
def systemd_command(config: Path | None, as_socket: bool) -> None:
    """Print a unit that runs this boxbridge with this configuration.

    It may write where the outputs of the configuration write, and waits for these mounts: make the unit again when
    that changes. With a socket unit beside it systemd holds the port, and a restart refuses no push.
    """
    # Read as the daemon will read it there: with the unit's own state directory and the service's secrets.
    environment = {**service_environment(), "STATE_DIRECTORY": str(STATE_DIRECTORY)}
    settings, _ = load(config, environment)
    if as_socket:
        click.echo(units.socket_unit(_address(settings.server.listen)), nl=False)
        return
    file = find(config, environment).absolute()
    if read(file).data != settings.data:
        click.echo(
            f'warning: {file} names no data: with data = "{settings.data}" commands in a shell find the daemon',
            err=True,
        )
    executable = _executable()
    writes = _written(settings)
    for path in (executable, Path(sys.executable), file, *writes):
        if why := units.hidden(path):
            click.echo(f"warning: {path} {why}; use /opt, /srv or /etc", err=True)
    for path in writes:
        if not path.is_dir():
            click.echo(
                f"warning: {path} must be there before the start: install -d -o boxbridge -g boxbridge {path}", err=True
            )
    click.echo(units.unit(executable, file, writes), nl=False)


def _address(listen: str) -> str:
    """Where to listen, as systemd takes it: by number."""
    host, port = host_and_port(listen)
    try:
        number = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError(f'a socket unit needs an address in server.listen, and "{host}" is a name') from None
    return f"[{number}]:{port}" if number.version == 6 else f"{number}:{port}"


def _written(settings: Settings) -> list[Path]:
    """The folders outside of the state directory that the daemon writes to."""
    paths = [settings.data, *(path for output in settings.output.values() for path in _paths(output.options))]
    # An option that names a file, such as a certificate, is there to be read.
    return sorted({path for path in paths if not path.is_relative_to(STATE_DIRECTORY) and not path.is_file()})


def _paths(options: msgspec.Struct) -> Iterator[Path]:
    for value in msgspec.structs.astuple(options):
        if isinstance(value, Path):
            yield value
        elif isinstance(value, msgspec.Struct):
            yield from _paths(value)


def _executable() -> Path:
    running = Path(sys.argv[0]).absolute()
    return running if running.name == "boxbridge" else Path(sysconfig.get_path("scripts")) / "boxbridge"
