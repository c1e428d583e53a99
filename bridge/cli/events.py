"""`boxbridge get`: an event's document, the request it came in, or its picture, from a running daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bridge.cli.client import Client
from bridge.cli.options import config_option
from bridge.errors import UsageError


@click.command("get")
@click.argument("event")
@click.option("--original", is_flag=True, help="The request as the device made it, byte for byte.")
@click.option("--picture", type=click.IntRange(min=0), metavar="N", help="The bytes of picture N, counted from 0.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there; else to stdout.")
@config_option
def get_command(event: str, original: bool, picture: int | None, output: Path | None, config: Path | None) -> None:
    """Get an EVENT by its id, the beginning of its id, or its msg_id."""
    if original and picture is not None:
        raise UsageError("--original and --picture are two different things: choose one")
    part = "/original" if original else "" if picture is None else f"/picture/{picture}"
    if picture is not None and output is None and sys.stdout.isatty():
        raise UsageError("a picture is no text: give a file with -o, or redirect the output")
    content = Client(config).get(f"/api/v1/events/{event}{part}").content
    if not part:
        content = json.dumps(json.loads(content), ensure_ascii=False, indent=2).encode() + b"\n"
    if output is not None:
        output.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)
