"""`boxbridge dead`: what outputs gave up, why, and what is to be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import BadData, UsageError
from bridge.words import local, padded, say, translated

_output_option = click.option("--output", metavar="NAME", help="Of this output only.")


@click.group("dead")
def dead_command() -> None:
    """Dead letters: events that an output gave up, each with its reason."""


@dead_command.command("list")
@_output_option
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many; 0 for all.")
@lang_option
@json_option
@config_option
def list_command(output: str | None, limit: int, lang: str, as_json: bool, config: Path | None) -> None:
    """List dead letters, the newest first."""
    answer = Client(config).get("/api/v1/dead", output=output, limit=str(limit)).json()
    zone = ZoneInfo(answer["timezone"])
    for letter in answer["letters"]:
        if as_json:
            show_json(letter)
        else:
            show(_line(letter, zone, lang))
    if not answer["total"]:
        click.echo(say(lang, "no dead"), err=True)
    if len(answer["letters"]) < answer["total"]:
        click.echo(say(lang, "more dead", total=answer["total"]), err=True)


@dead_command.command("show")
@click.argument("event")
@_output_option
@lang_option
@json_option
@config_option
def show_command(event: str, output: str | None, lang: str, as_json: bool, config: Path | None) -> None:
    """Show why an EVENT is a dead letter, at each output that gave it up."""
    answer = Client(config).get("/api/v1/dead", event=event, output=output, limit="0").json()
    if not answer["letters"]:
        of = f" of output {output}" if output else ""
        raise BadData(f"{event} is no dead letter{of}; its story: boxbridge why {event}")
    zone = ZoneInfo(answer["timezone"])
    for letter in answer["letters"]:
        if as_json:
            show_json(letter)
        else:
            show(*_page(letter, zone, lang))


@dead_command.command("retry")
@click.argument("events", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All of them.")
@_output_option
@lang_option
@config_option
def retry_command(events: tuple[str, ...], all_: bool, output: str | None, lang: str, config: Path | None) -> None:
    """Have the outputs that gave EVENTS up deliver them again."""
    _report(lang, "dead retried", _ask(config, "retry", events, all_, output))


@dead_command.command("drop")
@click.argument("events", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All of them.")
@_output_option
@lang_option
@config_option
def drop_command(events: tuple[str, ...], all_: bool, output: str | None, lang: str, config: Path | None) -> None:
    """Drop EVENTS for good: they are not delivered, and `why` says so."""
    _report(lang, "dead dropped", _ask(config, "drop", events, all_, output))


def _ask(config: Path | None, what: str, events: tuple[str, ...], all_: bool, output: str | None) -> dict[str, int]:
    if bool(events) == all_:
        raise UsageError("say which dead letters: ids, or --all")
    answer = Client(config).post(f"/api/v1/dead/{what}", events=events, all=all_, output=output or "")
    outputs: dict[str, int] = answer.json()["outputs"]
    return outputs


def _report(lang: str, done: str, outputs: dict[str, int]) -> None:
    for name, count in outputs.items():
        print(say(lang, done, output=name, count=count))
    if not outputs:
        print(say(lang, "no dead"))


def _line(letter: dict[str, Any], zone: ZoneInfo, lang: str) -> str:
    why = say(lang, "because", state=letter["output"], reason=translated(lang, letter["reason"]))
    return f"{local(letter['died'], zone)}  {_event(letter)}   {why}"


def _event(letter: dict[str, Any]) -> str:
    """What is known of it: of one whose record is damaged it may be only its number."""
    place = f"{letter['device']}/{letter['channel']}" if letter["device"] else ""
    return "  ".join(part for part in (letter["id"], letter["kind"], place) if part)


def _page(letter: dict[str, Any], zone: ZoneInfo, lang: str) -> list[str]:
    times = {key: local(letter[key], zone) for key in ("received", "failing_since", "died") if letter[key]}
    what_now = "dead what now, lost" if letter["lost"] else "dead what now"
    facts = times | {"attempts": letter["attempts"], "reason": translated(lang, letter["reason"])}
    return [
        say(lang, "because", state=letter["output"], reason=_event(letter)),
        *(f"  {padded(say(lang, f'title {key}'), 13)}{fact}" for key, fact in facts.items()),
        "  " + say(lang, what_now, id=letter["id"], output=letter["output"]),
    ]
