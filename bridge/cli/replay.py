"""`boxbridge replay`: delivering events again from the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bridge.cli.client import Client
from bridge.cli.options import config_option, filter_options, json_option
from bridge.errors import UsageError


@click.command("replay")
@click.option("--output", metavar="NAME", help="Which output delivers them again.")
@filter_options
@click.option("--rate", type=float, default=10.0, show_default=True, help="Events a second, at most.")
@click.option("--dry-run", is_flag=True, help="Only say how many events it is about.")
@click.option("--list", "list_", is_flag=True, help="List the replays under way.")
@click.option("--cancel", type=int, metavar="NUMBER", help="Stop the replay of this number.")
@json_option
@config_option
def replay_command(
    list_: bool, cancel: int | None, as_json: bool, config: Path | None, output: str | None, **wish: Any
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
        print(json.dumps(answer, ensure_ascii=False) if as_json else _begun(answer))
        return
    for replay in found:
        cancelled = "cancelled: " if cancel is not None else ""
        print(json.dumps(replay, ensure_ascii=False) if as_json else cancelled + replay_line(replay))


def replay_line(replay: dict[str, Any]) -> str:
    """How a replay stands."""
    return (
        f"{replay['number']}   to {replay['output']}, {replay['opened']} delivered again, {replay['left']} to look at, "
        f"{replay['rate']:g} a second"
    )


def _begun(answer: dict[str, Any]) -> str:
    waiting = f", of which {answer['waiting']} wait for it anyway" if answer["waiting"] else ""
    what = f"{answer['events']} events{waiting}, in {answer['seconds']:.0f} s at least"
    if answer["number"] is None:
        return f"{answer['output']} would get {what}" if answer["events"] else "there are no such events"
    return f"{answer['output']} gets {what}; to stop it: boxbridge replay --cancel {answer['number']}"
