"""`boxbridge status` and `boxbridge reload`: how a running daemon stands, and giving it a changed configuration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.client import Client
from bridge.cli.options import config_option
from bridge.cli.replay import replay_line
from bridge.figures import as_bytes


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Everything, for programs.")
@config_option
def status_command(as_json: bool, config: Path | None) -> None:
    """Show how the daemon stands: outputs, what waits, devices, what was refused."""
    answer = Client(config).get("/api/v1/status")
    print(answer.text if as_json else _page(answer.json()))


@click.command("reload")
@config_option
def reload_command(config: Path | None) -> None:
    """Give the daemon its changed configuration; where it is wrong, it says so and the old one stays in force."""
    answer = Client(config).post("/api/v1/reload").json()
    print(f"{answer['reloaded']} is in force")
    for key in answer["after_restart"]:
        print(f"but a new {key} is taken over by a restart only")
    for name in answer["dropped"]:
        print(f"but it has no output {name} any more: it is stopped, its backlog is kept")


def _page(status: dict[str, Any]) -> str:
    journal = status["journal"]
    lines = [
        f"boxbridge {status['version']}   {status['config']}   site {status['site']}   up {_span(status['started'])}",
        f"  devices     listening on {status['devices_listen']}",
        *(f"              {name}   last push {_ago(seen)}" for name, seen in status["devices"].items()),
        f"  pushes      {_counts(status['pushes'])}",
        *(f"  refused     {r['peer']}   {r['count']} times: {r['reason']}" for r in status["refused"]),
        *(f"  odd field   {o['device']}   {o['field']}, {o['count']} times" for o in status["odd_fields"]),
        *(_output(lane) for lane in status["outputs"]),
        *(f"  output      {name}   off (enabled = false): its events wait" for name in status["disabled"]),
        *(f"  output      {name}   PAUSED by a person: its events wait" for name in status["held"]),
        *(f"  replay      {replay_line(replay)}" for replay in status["replays"]),
        *_room(journal),
        *([f"              TAKES NOTHING: {journal['closed_because']}"] if journal["closed_because"] else []),
        *(
            f"              keeps {count} events for {name}, which is no longer configured"
            for name, count in journal["parked"].items()
        ),
        *(f"              {name} {_missed(missed)}" for name, missed in journal["skipped"].items()),
    ]
    return "\n".join(lines)


def _room(journal: dict[str, Any]) -> Iterator[str]:
    """How full it is and who holds it, and for how long there is room."""
    room, holder = journal["room"], journal["held_by"]
    held = f", held by {_holder(holder)}" if holder else ""
    yield f"  journal     {100 * room['held']:.0f} % full{held}"
    hours = "" if room["hours_left"] is None else f", {room['hours_left']:,.0f} h of room at the last day's rate"
    segments = "1 segment" if journal["segments"] == 1 else f"{journal['segments']} segments"
    yield f"              {as_bytes(room['taken'])} of {as_bytes(room['limit'])} in {segments}{hours}"


def _holder(holder: dict[str, Any]) -> str:
    name, events = holder["output"], f"{holder['events']:,} events"
    if not holder["removed"]:
        return f"{name}, {events}"
    return f"{name} (removed {_day(holder['removed'])}), {events}: boxbridge outputs forget {name}"


def _missed(missed: dict[str, Any]) -> str:
    return f"missed {missed['count']:,} events, the last on {_day(missed['when'])}: {missed['reason']}"


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000).astimezone():%Y-%m-%d}"


def _output(lane: dict[str, Any]) -> str:
    counts = f"{lane['delivered']} delivered, {lane['waiting']} waiting"
    dead = f", {lane['dead']} DEAD" if lane["dead"] else ""
    again = f", again in {lane['retry_in']:.0f} s" if lane["retry_in"] is not None else ""
    reason = f": {lane['reason']}" if lane["reason"] else ""
    state = f"{lane['state']} since {_span(lane['since'])}" if lane["state"] != "open" else "ok"
    return f"  output      {lane['name']} ({lane['type']})   {state}{again}{reason}   {counts}{dead}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none yet"


def _ago(text: str) -> str:
    return f"{_span(datetime.fromisoformat(text).timestamp())} ago"


def _span(since: float) -> str:
    seconds = max(0, int(time.time() - since))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
