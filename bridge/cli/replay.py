"""`boxbridge replay`: delivering events again from the journal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, filter_options, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import UsageError
from bridge.words import say, span


@click.command("replay")
@click.option("--output", metavar="NAME", help="Which output delivers them again.")
@filter_options
@click.option(
    "--rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=10.0,
    show_default=True,
    help="Events a second, at most.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many events it is about.")
@click.option("--list", "list_", is_flag=True, help="List the replays under way.")
@click.option("--cancel", type=int, metavar="NUMBER", help="Stop the replay of this number.")
@lang_option
@json_option
@config_option
def replay_command(
    list_: bool, cancel: int | None, lang: str, as_json: bool, config: Path | None, output: str | None, **wish: Any
) -> None:
    """Have an output deliver events again, from --since on. What it gets is marked as replayed.

    It goes on over a restart, and what it has yet to read is kept. Events that wait for the output are not given to it
    twice. Outputs that act on events should look at `late` and `replayed`.
    """
    client = Client(config)
    if list_:
        found = client.get("/api/v1/replays").json()
    elif cancel is not None:
        found = [client.post(f"/api/v1/replays/{cancel}/cancel").json()]
    elif not output or not wish["since"]:
        raise UsageError("say which output and since when: --output NAME --since TIME")
    else:
        asked = {name: value for name, value in wish.items() if value is not None}
        answer = client.post("/api/v1/replays", output=output, **asked).json()
        if as_json:
            show_json(answer)
        else:
            show(_begun(answer, lang))
        return
    if not found:
        click.echo(say(lang, "no replay"), err=True)
    for replay in found:
        if as_json:
            show_json(replay)
        else:
            show(_listed(replay, lang, cancelled=cancel is not None))


def replay_line(replay: dict[str, Any], lang: str) -> str:
    """How a replay stands."""
    return say(lang, "replay stands", **replay)


def _listed(replay: dict[str, Any], lang: str, *, cancelled: bool) -> str:
    line = replay_line(replay, lang)
    return say(lang, "replay cancelled", replay=line) if cancelled else line


def _begun(answer: dict[str, Any], lang: str) -> str:
    takes = span(lang, math.ceil(answer["seconds"]))
    what = say(lang, "replay waiting" if answer["waiting"] else "replay events", span=takes, **answer)
    if answer["number"] is None:
        return say(lang, "replay would" if answer["events"] else "replay nothing", what=what, **answer)
    return say(lang, "replay begun", what=what, **answer)
