"""The language that a command speaks: its option, and what is said about it before or after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from bridge.words import LANGUAGES, language

_ASKED: Final = "bridge.cli.language"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def lang_option(command: _Command) -> _Command:
    """The option `--lang`, as the argument `lang: str`: the language to tell in."""

    def chosen(ctx: click.Context, _: click.Parameter, asked: str | None) -> str:
        ctx.meta[_ASKED] = language(asked or ctx.meta.get(_ASKED))
        return told_in(ctx)

    return click.option(
        "--lang", type=click.Choice(LANGUAGES), callback=chosen, help="The language; else as LC_ALL or LANG say."
    )(command)


def told_in(ctx: click.Context) -> str:
    """The language of what is said about a command, also where it has no `--lang`."""
    return str(ctx.meta.get(_ASKED) or language(None))
