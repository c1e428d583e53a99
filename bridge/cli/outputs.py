"""`boxbridge outputs`: how the outputs stand, and pausing, resuming, renaming and forgetting one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from bridge.cli.client import Client
from bridge.cli.options import config_option, json_option

_STATES = {
    "open": "ok",
    "held": "PAUSED by a person",
    "paused": "PAUSED by the far side",
    "off": "off (enabled = false)",
    "gone": "no longer configured",
}


@click.group("outputs", invoke_without_command=True)
@json_option
@config_option
@click.pass_context
def outputs_command(context: click.Context, as_json: bool, config: Path | None) -> None:
    """List the outputs and what waits for each; or pause, resume, rename or forget one."""
    if context.invoked_subcommand is not None:
        return
    for output in Client(config).get("/api/v1/outputs").json():
        print(json.dumps(output, ensure_ascii=False) if as_json else _line(output))


@outputs_command.command("pause")
@click.argument("name")
@config_option
def pause_command(name: str, config: Path | None) -> None:
    """Deliver nothing more to NAME until it is resumed; its events wait, over restarts too."""
    _act(config, name, "pause")


@outputs_command.command("resume")
@click.argument("name")
@config_option
def resume_command(name: str, config: Path | None) -> None:
    """Go on with NAME, whoever paused it."""
    _act(config, name, "resume")


@outputs_command.command("rename")
@click.argument("name")
@click.argument("new")
@config_option
def rename_command(name: str, new: str, config: Path | None) -> None:
    """Let NEW go on where NAME stood. First rename its table in the configuration, and reload.

    What NEW was given meanwhile comes again, with the same ids.
    """
    _act(config, name, "rename", to=new)


@outputs_command.command("forget")
@click.argument("name")
@config_option
def forget_command(name: str, config: Path | None) -> None:
    """Let go of NAME, which is no longer configured, and of all that the journal keeps for it."""
    _act(config, name, "forget")


def _act(config: Path | None, name: str, action: str, **asked: str) -> None:
    print(Client(config).post(f"/api/v1/outputs/{quote(name, safe='')}/{action}", **asked).json()["done"])


def _line(output: dict[str, Any]) -> str:
    type_ = f" ({output['type']})" if output["type"] else ""
    state = _STATES.get(output["state"], output["state"])
    again = f", again in {output['retry_in']:.0f} s" if output["retry_in"] is not None else ""
    reason = f": {output['reason']}" if output["reason"] else ""
    dead = f", {output['dead']} DEAD" if output["dead"] else ""
    return f"{output['name']}{type_}   {state}{again}{reason}   {output['waiting']} waiting{dead}"
