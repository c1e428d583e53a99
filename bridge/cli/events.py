"""`boxbridge get`: an event's document, the request it came in, or its picture, from a running daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

import click

from bridge.cli.client import Client
from bridge.cli.options import config_option
from bridge.errors import FileTrouble, UsageError


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
    content = Client(config).get(f"/api/v1/events/{quote(event, safe='')}{part}").content
    if not part:
        content = json.dumps(json.loads(content), ensure_ascii=False, indent=2).encode() + b"\n"
    if output is not None:
        try:
            output.write_bytes(content)
        except OSError as error:
            raise FileTrouble(f"{output}: {error.strerror}") from error
    else:
        sys.stdout.buffer.write(content)
