"""What commands of plugins may ask: the configuration's outputs, and the running daemon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bridge.cli.client import Client
from bridge.cli.language import told_in
from bridge.cli.options import load, service_environment
from bridge.errors import BadData
from bridge.output import OutputContext


class CalledInstallation:
    """The installation that a command is called for."""

    @property
    def language(self) -> str:
        """What its user reads."""
        return told_in(click.get_current_context())

    def outputs(self, type: str, config: Path | None = None) -> Sequence[OutputContext]:  # noqa: A002 - the key's name
        """What the configuration says of the outputs of a type; raises BridgeError."""
        settings, _ = load(config, service_environment())
        return [settings.context(name) for name, output in settings.output.items() if output.type == type]

    def ask(self, path: str, config: Path | None = None) -> Any:
        """What the daemon's API answers; raises BridgeError, and LookupError where there is no such thing."""
        try:
            return Client(config).get(path).json()
        except BadData as error:
            raise LookupError(str(error)) from error
