"""`boxbridge outputs`: how the outputs stand, and pausing, resuming, trying, renaming and forgetting one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.words import say, translated
from bridge.words.telling import output_state


@click.group("outputs", invoke_without_command=True)
@lang_option
@json_option
@config_option
@click.pass_context
def outputs_command(context: click.Context, lang: str, as_json: bool, config: Path | None) -> None:
    """List the outputs and what waits for each; or pause, resume, test, rename or forget one."""
    if context.invoked_subcommand is not None:
        return
    outputs = Client(config).get("/api/v1/outputs").json()
    if not outputs and not as_json:
        show(say(lang, "no outputs"))
    for output in outputs:
        if as_json:
            show_json(output)
        else:
            show(_line(output, lang))


@outputs_command.command("pause")
@click.argument("name")
@lang_option
@config_option
def pause_command(name: str, lang: str, config: Path | None) -> None:
    """Deliver nothing more to NAME until it is resumed; its events wait, over restarts too."""
    _act(config, lang, name, "pause")


@outputs_command.command("resume")
@click.argument("name")
@lang_option
@config_option
def resume_command(name: str, lang: str, config: Path | None) -> None:
    """Go on with NAME, whoever paused it."""
    _act(config, lang, name, "resume")


@outputs_command.command("test")
@click.argument("name")
@lang_option
@json_option
@config_option
def test_command(name: str, lang: str, as_json: bool, config: Path | None) -> None:
    """Send a marked sample through the running output NAME, and say what came of it.

    It is of the device `boxbridge-test`, goes past the journal and is not repeated.
    """
    from bridge.testing import sample_push  # draws a picture

    sample = sample_push(kind="test", device="boxbridge-test", targets=2)
    tried = Client(config).send(f"/api/v1/outputs/{quote(name, safe='')}/test", sample).json()
    if as_json:
        show_json(tried)
    else:
        show(say(lang, "tried", **tried | {"milliseconds": tried["seconds"] * 1000}))


@outputs_command.command("rename")
@click.argument("name")
@click.argument("new")
@lang_option
@config_option
def rename_command(name: str, new: str, lang: str, config: Path | None) -> None:
    """Let NEW go on where NAME stood. First rename its table in the configuration, and reload.

    What NEW was given meanwhile comes again, with the same ids.
    """
    _act(config, lang, name, "rename", to=new)


@outputs_command.command("forget")
@click.argument("name")
@lang_option
@config_option
def forget_command(name: str, lang: str, config: Path | None) -> None:
    """Let go of NAME, which is no longer configured, and of all that the journal keeps for it."""
    _act(config, lang, name, "forget")


def _act(config: Path | None, lang: str, name: str, action: str, **asked: str) -> None:
    answer = Client(config).post(f"/api/v1/outputs/{quote(name, safe='')}/{action}", **asked).json()
    show(*translated(lang, answer["done"]).split("\n"))


def output_counts(output: dict[str, Any], lang: str, *counts: str) -> str:
    """How many events it has of each; dead letters only where there are any."""
    told = [*counts, *(["dead"] if output["dead"] else [])]
    return say(lang, "and").join(say(lang, f"count {count}", count=output[count]) for count in told)


def _line(output: dict[str, Any], lang: str) -> str:
    type_ = f" ({output['type']})" if output["type"] else ""
    return f"{output['name']}{type_}   {output_state(output, lang)}   {output_counts(output, lang, 'waiting')}"
