"""`boxbridge map`: reads one captured body by a table of the configuration, or proposes a table for it."""

from __future__ import annotations

import json
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click
from msgspec import convert

from bridge.cli.language import lang_option
from bridge.cli.options import config_option, load, source_of
from bridge.cli.screen import show
from bridge.config import toml
from bridge.config.protocol import ProtocolSettings
from bridge.errors import BadData, UsageError
from bridge.event import Event, encode_document, utc_now
from bridge.normalizer import Malformed, Push
from bridge.protocols.mapper import Mapped
from bridge.protocols.propose import propose
from bridge.words import say


@click.command("map")
@click.argument("file", type=click.File("rb"))
@click.option("--protocol", metavar="NAME", help="Read it by [protocol.NAME] of the configuration; propose nothing.")
@click.option("--path", default="/push", show_default=True, help="Where its devices push to, for the proposal.")
@lang_option
@config_option
def map_command(file: Any, protocol: str | None, path: str, lang: str, config: Path | None) -> None:
    """Propose a [protocol.NAME] for the captured body in FILE, and show the event that comes out.

    What is printed is TOML: the event stands in comments. Bodies are captured by `boxbridge unknown save`.
    """
    body = file.read()
    try:
        if protocol is not None:
            settings, _ = load(config)
            if protocol not in settings.protocol:
                raise UsageError(f"there is no [protocol.{protocol}] in the configuration")
            show(*_documents(protocol, settings.protocol[protocol], body, settings.timezone))
            return
        zone = source_of(config).timezone
        table = propose(body, path, utc_now(), zone)
        show(*toml.table(("protocol", "vendor"), table), "", f"# {say(lang, 'mapped to')}")
        documents = _documents("vendor", convert(table, ProtocolSettings), body, zone)
        show(*(f"# {line}" for line in documents))
    except Malformed as error:
        raise BadData(f"{file.name}: {error}") from error


def _documents(name: str, mapping: ProtocolSettings, body: bytes, zone: tzinfo) -> list[str]:
    """The lines of the documents of all events; raises Malformed."""
    documents = [json.loads(encode_document(event)) for event in events_in(name, mapping, body, zone)]
    return [line for document in documents for line in json.dumps(document, ensure_ascii=False, indent=2).splitlines()]


def events_in(name: str, mapping: ProtocolSettings, body: bytes, zone: tzinfo) -> tuple[Event, ...]:
    """The events that a captured body is read as by a table; raises Malformed."""
    push = Push(
        method="POST",
        path=next(iter(mapping.paths), "/"),
        query="",
        headers={},
        body=body,
        peer="127.0.0.1",
        received=utc_now(),
    )
    return Mapped(name, mapping, zone).parse(push).events
