"""`boxbridge events` and `get`: what events there are and how they stand; one's document, request or picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, filter_options, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import FileTrouble, UsageError
from bridge.log import escaped_json
from bridge.words import local, say

_PAGE = 500


@click.command("events")
@filter_options
@click.option("--state", metavar="STATE", help="Only those that are waiting, delivered, dead, … at an output.")
@click.option("--output", metavar="NAME", help="Show and ask for this output only.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many; 0 for all.")
@lang_option
@json_option
@config_option
def events_command(limit: int, lang: str, as_json: bool, config: Path | None, **asked: str | None) -> None:
    """List events and how they stand with each output, the newest first."""
    client, after, left, total = Client(config), None, limit or sys.maxsize, 0
    while left:
        part = client.get("/api/v1/events", **asked, after=after, limit=str(min(left, _PAGE))).json()
        for event in part["events"]:
            if as_json:
                show_json(event)
            else:
                show(_line(event, ZoneInfo(part["timezone"]), lang))
        left -= len(part["events"])
        total += len(part["events"])
        after = part["after"]
        if after is None:
            if not total:
                click.echo(say(lang, "no events"), err=True)
            return
    click.echo(say(lang, "more events"), err=True)


def _line(event: dict[str, Any], zone: ZoneInfo, lang: str) -> str:
    received = local(event["received"], zone)
    outputs = "  ".join(
        f"{name} {'-' if state == 'earlier' else say(lang, f'state {state}')}"
        for name, state in event["outputs"].items()
    )
    return f"{received}  {event['id']}  {event['kind']}  {event['device']}/{event['channel']}   {outputs}".rstrip()


@click.command("get")
@click.argument("event")
@click.option("--original", is_flag=True, help="The request as the device made it, byte for byte.")
@click.option("--picture", type=click.IntRange(min=0), metavar="N", help="The bytes of picture N, counted from 0.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there; else to stdout.")
@config_option
def get_command(event: str, original: bool, picture: int | None, output: Path | None, config: Path | None) -> None:
    """Get an EVENT by its id, the beginning of its id, its msg_id, or the file name or SHA-256 of its picture."""
    if original and picture is not None:
        raise UsageError("--original and --picture are two different things: choose one")
    part = "/original" if original else "" if picture is None else f"/picture/{picture}"
    if picture is not None and output is None and sys.stdout.isatty():
        raise UsageError("a picture is no text: give a file with -o, or redirect the output")
    content = Client(config).get(f"/api/v1/events/{quote(event, safe='')}{part}").content
    if not part:
        content = escaped_json(json.dumps(json.loads(content), ensure_ascii=False, indent=2)).encode() + b"\n"
    if output is not None:
        try:
            output.write_bytes(content)
        except OSError as error:
            raise FileTrouble(f"{output}: {error.strerror}") from error
    else:
        sys.stdout.buffer.write(content)
