"""`boxbridge devices`: who pushes, how each one's clock and rhythm are, and forgetting one that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.words import ago, say, span

_CLOCK_SECONDS = 10.0
"""A clock that is off by less is not worth a line."""


@click.group("devices", invoke_without_command=True)
@click.option("--late", is_flag=True, help="Only those that are silent for longer than they ever are.")
@lang_option
@json_option
@config_option
@click.pass_context
def devices_command(ctx: click.Context, late: bool, lang: str, as_json: bool, config: Path | None) -> None:
    """List who pushes, the last seen first."""
    if ctx.invoked_subcommand is not None:
        return
    devices = Client(config).get("/api/v1/devices").json()["devices"]
    shown = [device for device in devices if device["state"] == "late" or not late]
    for device in shown:
        if as_json:
            show_json(device)
        else:
            show(*_lines(device, lang))
    if not shown and not as_json:
        print(say(lang, "none late" if devices else "no devices"))


@devices_command.command("forget")
@click.argument("device")
@lang_option
@config_option
def forget_command(device: str, lang: str, config: Path | None) -> None:
    """Forget DEVICE, which is gone for good; if it pushes again, it is learned anew."""
    Client(config).post("/api/v1/devices/forget", id=device)
    show(say(lang, "device forgotten", id=device))


def _lines(device: dict[str, Any], lang: str) -> Iterator[str]:
    yield say(lang, f"device {device['state']}", id=device["id"], ago=ago(lang, device["last_seen"]))
    called = [say(lang, f"device {what}", **device) for what in ("name", "serial", "peer") if device[what]]
    yield f"  {say(lang, 'and').join(called)}"
    if device["expected_within"] is None:
        yield f"  {say(lang, 'device pushes', pushes=device['pushes'])}"
    else:
        spans = {"rhythm": span(lang, device["rhythm"]), "within": span(lang, device["expected_within"])}
        yield f"  {say(lang, 'device rhythm', pushes=device['pushes'], **spans)}"
    skew = device["skew"]
    if skew is not None and abs(skew) >= _CLOCK_SECONDS:
        yield f"  {say(lang, 'clock ahead' if skew > 0 else 'clock behind', span=span(lang, abs(skew)))}"
    skills = [say(lang, "skill version", skill=skill, version=version) for skill, version in device["skills"].items()]
    if skills:
        yield f"  {say(lang, 'and').join(skills)}"
    for field, count in sorted(device["fields"].items(), key=lambda odd: -odd[1])[:10]:
        yield f"  {say(lang, 'device odd', field=field, count=count)}"
