"""`boxbridge status` and `boxbridge reload`: how a running daemon stands, and giving it a changed configuration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option
from bridge.cli.outputs import output_counts
from bridge.cli.replay import replay_line
from bridge.cli.screen import show, show_json
from bridge.figures import as_bytes
from bridge.words import ago, padded, room, say, span, translated
from bridge.words.telling import output_state


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Everything, for programs.")
@lang_option
@config_option
def status_command(lang: str, as_json: bool, config: Path | None) -> None:
    """Show how the daemon stands: outputs, what waits, devices, what was refused."""
    answer = Client(config).get("/api/v1/status")
    if as_json:
        show_json(answer.json())
    else:
        show(*_page(answer.json(), lang))


@click.command("reload")
@lang_option
@config_option
def reload_command(lang: str, config: Path | None) -> None:
    """Give the daemon its changed configuration; where it is wrong, it says so and the old one stays in force."""
    answer = Client(config).post("/api/v1/reload").json()
    print(say(lang, "reloaded", config=answer["reloaded"]))
    for key in answer["after_restart"]:
        print(say(lang, "after restart", key=key))
    for name in answer["dropped"]:
        print(say(lang, "dropped output", name=name))


def _page(status: dict[str, Any], lang: str) -> Iterator[str]:
    yield say(lang, "daemon", span=span(lang, time.time() - status["started"]), **status)
    for title, line in _lines(status, lang):
        yield f"  {padded(say(lang, f'title {title}') if title else '', 12)}{line}"


def _lines(status: dict[str, Any], lang: str) -> Iterator[tuple[str, str]]:
    """Each with the name of its title, or none where it goes on under the one before."""
    yield "devices", say(lang, "listening", address=status["devices_listen"])
    for device, seen in status["devices"].items():
        yield "", say(lang, "last push", device=device, ago=ago(lang, seen))
    pushes = (say(lang, f"push {outcome}", count=count) for outcome, count in status["pushes"].items())
    yield "pushes", say(lang, "and").join(pushes) or say(lang, "no pushes")
    for refused in status["refused"]:
        yield "refused", say(lang, "refused so often", **refused | {"reason": translated(lang, refused["reason"])})
    for odd in status["odd_fields"]:
        yield "odd field", say(lang, "odd field", **odd)
    yield from (("output", _output(output, lang)) for output in [*status["outputs"], *status["resting"]])
    yield from (("replay", replay_line(replay, lang)) for replay in status["replays"])
    journal = status["journal"]
    yield from _room(journal, lang)
    if journal["closed_because"]:
        yield "", say(lang, "journal closed", reason=translated(lang, journal["closed_because"]))
    for name, count in journal["parked"].items():
        yield "", say(lang, "journal keeps", name=name, count=count)
    yield from (("", _missed(name, missed, lang)) for name, missed in journal["skipped"].items())


def _room(journal: dict[str, Any], lang: str) -> Iterator[tuple[str, str]]:
    """How full it is and who holds it, and for how long there is room."""
    space, holder = journal["room"], journal["held_by"]
    full = say(lang, "journal full", share=100 * space["held"])
    yield "journal", say(lang, "held by", full=full, holder=_holder(holder, lang)) if holder else full
    segments = say(lang, "1 segment" if journal["segments"] == 1 else "segments", count=journal["segments"])
    taken = say(lang, "taken", taken=as_bytes(space["taken"]), limit=as_bytes(space["limit"]), segments=segments)
    hours = space["hours_left"]
    yield "", taken if hours is None else taken + say(lang, "and") + room(lang, hours)


def _holder(holder: dict[str, Any], lang: str) -> str:
    if not holder["removed"]:
        return say(lang, "holder", name=holder["output"], events=holder["events"])
    return say(lang, "removed holder", name=holder["output"], events=holder["events"], removed=_day(holder["removed"]))


def _missed(name: str, missed: dict[str, Any], lang: str) -> str:
    reason = translated(lang, missed["reason"])
    return say(lang, "missed", name=name, count=missed["count"], when=_day(missed["when"]), reason=reason)


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000).astimezone():%Y-%m-%d}"


def _output(output: dict[str, Any], lang: str) -> str:
    since = "" if output["since"] is None else span(lang, time.time() - output["since"])
    counts = output_counts(output, lang, "delivered", "waiting")
    return f"{output['name']} ({output['type']})   {output_state(output, lang, since)}   {counts}"
