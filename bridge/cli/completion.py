"""`boxbridge completion`: the script with which a shell completes commands and options."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion_command(ctx: click.Context, shell: str | None) -> None:
    """Print the completion script for SHELL, by default that of $SHELL.

    \b
    bash:  boxbridge completion bash > ~/.local/share/bash-completion/completions/boxbridge
    zsh:   boxbridge completion zsh > "${fpath[1]}/_boxbridge"
    fish:  boxbridge completion fish > ~/.config/fish/completions/boxbridge.fish
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    completion = get_completion_class(shell) if shell in SHELLS else None
    if completion is None:
        raise click.UsageError(f"which shell? Name one of {', '.join(SHELLS)}.")
    click.echo(completion(ctx.find_root().command, {}, "boxbridge", "_BOXBRIDGE_COMPLETE").source())
