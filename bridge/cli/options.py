"""What commands share: the option for the configuration file, and the way from it to settings and plugins."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.config.defaults import SYSTEM_FOLDER
from bridge.config.load import NAME, Source, find, read
from bridge.config.locator import Places
from bridge.config.settings import Settings
from bridge.errors import NoConfiguration
from bridge.plugins import Plugins

ENVIRONMENT_FILE = SYSTEM_FOLDER / "env"
"""What the systemd unit reads as EnvironmentFile; `check` reads it too, to find the same secrets."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def config_option(command: _Command) -> _Command:
    """The option `-c/--config FILE`, as the argument `config: Path | None`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="BOXBRIDGE_CONFIG",
        help="The configuration; ./boxbridge.toml, the user's or the system's if left out.",
    )(command)


def json_option(command: _Command) -> _Command:
    """The flag `--json`, as the argument `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document a line.")(command)


def filter_options(command: _Command) -> _Command:
    """Which events are meant: `--since`, `--until`, `--device`, `--kind`."""
    when = 'such as "2h" for two hours ago, "20:15" or "2026-11-24 20:15"'
    for name, metavar, text in (
        ("--kind", "KIND", "Only of this kind."),
        ("--device", "ID", "Only of this device."),
        ("--until", "TIME", "Received before that; written as above."),
        ("--since", "TIME", f"Received at or after that: {when}."),
    ):
        command = click.option(name, metavar=metavar, help=text)(command)
    return command


def source_of(config: Path | None, environment: Mapping[str, str] = os.environ) -> Source:
    """The configuration as it stands in its file; an empty one where there is none and none was named.

    For commands that need nothing of it, or one thing that has a default. Raises NoConfiguration, ConfigError.
    """
    try:
        return read(find(config, environment), environment)
    except NoConfiguration:
        if config is not None:
            raise
        return Source(file=Path(NAME).absolute(), tables={}, places=Places(""), environment=environment)


def load(config: Path | None, environment: Mapping[str, str] = os.environ) -> tuple[Settings, Plugins]:
    """Find and read the configuration, load the plugins, drop-ins too; raises NoConfiguration, ConfigError."""
    source = read(find(config, environment), environment)
    plugins = Plugins().load(source.plugins_dir)
    return source.settings(plugins.outputs, [broken.reason for broken in plugins.broken]), plugins


def service_environment(file: Path | None = None) -> Mapping[str, str]:
    """This process's environment, and below it what the service would find in its environment file."""
    file = file or ENVIRONMENT_FILE
    if not file.is_file():
        return os.environ
    try:
        lines = file.read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError as error:  # the configuration at hand may need nothing of it
        click.echo(f"{file} can't be read ({error.strerror}): secrets in it count as not set here.", err=True)
        return os.environ
    pairs = (line.strip().partition("=") for line in lines if "=" in line and line.strip()[0] not in "#;")
    return {name.strip(): _unquoted(text.strip()) for name, _, text in pairs} | dict(os.environ)


def _unquoted(text: str) -> str:
    return "".join(shlex.split(text)) if text[:1] in ('"', "'") else text
