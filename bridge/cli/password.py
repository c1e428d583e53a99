"""`boxbridge password`: makes what stands in the configuration for the console's password."""

from __future__ import annotations

import sys

import click

from bridge.cli.language import lang_option
from bridge.config.password import hashed
from bridge.errors import UsageError
from bridge.words import say

_SHORTEST = 8


@click.command("password")
@lang_option
def password_command(lang: str) -> None:
    """Make the hash of a password for [control]; it is asked for, or read from a pipe."""
    if sys.stdin.isatty():
        password = click.prompt(
            say(lang, "new password"), hide_input=True, confirmation_prompt=say(lang, "same password"), err=True
        )
    else:
        password = sys.stdin.readline().removesuffix("\n")
    if len(password) < _SHORTEST:
        raise UsageError(f"a password needs {_SHORTEST} characters at least: this one guards all that devices saw")
    print(f'password = "{hashed(password)}"')
    click.echo(say(lang, "password goes"), err=True)
