"""`boxbridge password`: what it prints goes into the configuration as it is."""

from __future__ import annotations

import tomli
from click.testing import CliRunner

from bridge.cli.password import password_command
from bridge.config.password import proves
from bridge.errors import UsageError


def test_a_piped_password_becomes_a_line_for_the_configuration() -> None:
    made = CliRunner().invoke(password_command, ["--lang", "en"], input="correct horse\n")
    assert proves("correct horse", tomli.loads(made.stdout)["password"])
    assert "[control]" in made.stderr


def test_a_short_password_is_refused() -> None:
    refused = CliRunner().invoke(password_command, [], input="1234567\n")
    assert isinstance(refused.exception, UsageError)
    assert refused.stdout == ""
