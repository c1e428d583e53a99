"""The archive output: every event as plain files that people can read without boxbridge."""

from __future__ import annotations

import click

from bridge import Installation, Output, hookimpl
from bridge_archive.commands import archive_command
from bridge_archive.output import Archive


@hookimpl
def register_outputs() -> list[type[Output]]:
    """Bring the output type `archive`."""
    return [Archive]


@hookimpl
def register_commands(group: click.Group, installation: Installation) -> None:
    """Bring `boxbridge archive`."""
    archive_command.context_settings["obj"] = installation
    group.add_command(archive_command)
