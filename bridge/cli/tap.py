"""`boxbridge tap`: watching pushes, events and deliveries as they come."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import UsageError
from bridge.figures import as_bytes
from bridge.options import Duration
from bridge.words import say, translated

WHAT = ("pushes", "events", "deliveries")


@click.command("tap")
@click.argument("what", nargs=-1, type=click.Choice(WHAT), metavar="[pushes|events|deliveries]...")
@click.option("--device", metavar="ID", help='Only of this device; patterns such as "gate-*" too.')
@click.option("--kind", metavar="KIND", help="Only events of this kind; patterns too.")
@click.option("--output", metavar="NAME", help="Only deliveries of this output; patterns too.")
@click.option("--for", "duration", metavar="DURATION", help='For so long, such as "30s"; else until Ctrl-C.')
@lang_option
@json_option
@config_option
def tap_command(
    what: Sequence[str], duration: str | None, lang: str, as_json: bool, config: Path | None, **asked: str | None
) -> None:
    """Watch live what comes and goes: pushes, events, deliveries; all of them if none is named.

    It never slows the daemon: what this terminal is too slow for is left out, and it says how much that was.
    """
    seconds = None if duration is None else str(float(_duration(duration)))
    what = what or (["deliveries"] if asked["output"] else WHAT)
    with Client(config).stream("/api/v1/tap", what=",".join(what), seconds=seconds, **asked) as answer:
        zone = ZoneInfo(answer.headers["X-Timezone"])
        for line in answer.iter_lines():
            seen = json.loads(line)
            if as_json:
                show_json(seen)
            else:
                show(_told(seen, zone, lang))
            sys.stdout.flush()
    if seconds is None:
        click.echo(say(lang, "tap ended"), err=True)


def _duration(text: str) -> Duration:
    try:
        return Duration(text)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error


def _told(seen: dict[str, Any], zone: ZoneInfo, lang: str) -> str:
    when = f"{datetime.fromisoformat(seen['at']).astimezone(zone):%H:%M:%S}"
    return f"{when}  {_TOLD[seen['what']](seen, lang)}"


def _push(seen: dict[str, Any], lang: str) -> str:
    told = say(
        lang, "tap push", **seen | {"size": as_bytes(seen["bytes"]), "outcome": say(lang, f"pushed {seen['outcome']}")}
    )
    return _because(told, seen, lang)


def _event(seen: dict[str, Any], lang: str) -> str:
    counts = "  ".join(f"{name} {count}" for name, count in seen["counts"].items() if count)
    pictures = say(lang, "tap pictures", count=seen["pictures"], size=as_bytes(seen["bytes"])) if seen["bytes"] else ""
    return "  ".join(part for part in (say(lang, "tap event", **seen), counts, pictures) if part)


def _delivery(seen: dict[str, Any], lang: str) -> str:
    told = say(lang, f"tap {seen['outcome']}", **seen)
    if seen["seconds"] is not None:
        told = f"{told}  {seen['seconds'] * 1000:.0f} ms"
    return _because(told, seen, lang)


def _output(seen: dict[str, Any], lang: str) -> str:
    state = say(lang, f"is {seen['state']}")
    return _because(f"{seen['output']}  {state}", seen, lang)


def _dropped(seen: dict[str, Any], lang: str) -> str:
    return say(lang, "tap dropped", **seen)


def _because(told: str, seen: dict[str, Any], lang: str) -> str:
    reason = seen["reason"]
    return say(lang, "because", state=told, reason=translated(lang, reason)) if reason else told


_TOLD = {"push": _push, "event": _event, "delivery": _delivery, "output": _output, "dropped": _dropped}
