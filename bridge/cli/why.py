"""`boxbridge why`: one event's whole story, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click

from bridge.cli.client import Client
from bridge.cli.options import config_option, json_option, local
from bridge.cli.screen import show, show_json
from bridge.cli.words import lang_option, say, translated
from bridge.errors import UsageError
from bridge.figures import as_bytes

_MOST_STEPS = 12


@click.command("why")
@click.argument("event", required=False)
@click.option("--device", metavar="ID", help="Instead of an event: what came of this device, and what did not,")
@click.option("--at", metavar="TIME", help='within ten minutes of this time: "20:15", "2026-11-24 20:15", "2h" ago.')
@lang_option
@json_option
@config_option
def why_command(
    event: str | None, device: str | None, at: str | None, lang: str, as_json: bool, config: Path | None
) -> None:
    """Tell the whole story of an EVENT: its id or the beginning of it, its msg_id, a picture's file name or SHA-256.

    Or, with --device and --at, what came of a device around a time, what was refused, and how long it was silent.
    """
    if (event is None) == (device is None) or (device is None) != (at is None):
        raise UsageError("say which event: its id, its msg_id, or a picture's file name; or --device ID --at TIME")
    client = Client(config)
    if event is None:
        answer = client.get("/api/v1/why", device=device, at=at)
    else:
        answer = client.get(f"/api/v1/why/{quote(event, safe='')}")
    teller = Teller(answer.json(), lang)
    if as_json:
        show_json(answer.json())
    else:
        show(*(teller.around() if event is None else teller.event()))


class Teller:
    """Puts the facts of a story into sentences."""

    def __init__(self, story: dict[str, Any], lang: str) -> None:
        self._story = story
        self._lang = lang
        self._zone = ZoneInfo(story["timezone"])

    def event(self) -> Iterator[str]:
        """One event's story, line by line."""
        story = self._story
        yield self._say("event", what=f"{story['kind']} {story['name']}".strip(), **story)
        yield self._at(story["occurred"], "occurred")
        yield from self._lost() if story["lost"] else self._came_in()
        for output in story["outputs"]:
            yield ""
            yield from self._output(output)
        if not story["outputs"]:
            yield self._say("no outputs")

    def _lost(self) -> Iterator[str]:
        yield self._at(self._story["received"], "received, no more", reason=self._translated(self._story["lost"]))

    def _came_in(self) -> Iterator[str]:
        story = self._story
        yield self._at(story["received"], "received", **story)
        pictures = ", ".join(f"{p['role']} {as_bytes(p['size'])}" for p in story["pictures"])
        yield self._at(story["received"], "kept", segment=story["segment"],
                       pictures=pictures or self._say("no pictures"))  # fmt: skip
        for again in story["repetitions"]:
            yield self._at(again["first"], "repeated", **again | {"last": self._time(again["last"])})

    def around(self) -> Iterator[str]:
        """What came of a device around a time, line by line."""
        story = self._story
        times = {name: self._time(story[name]) if story[name] else "" for name in ("since", "until", "before", "after")}
        yield self._say("around", device=story["device"], **times)
        came = [(event["received"], "came", self._came(event)) for event in story["events"]]
        away = [(away["first"], away["outcome"], self._away(away)) for away in story["turned_away"]]
        for time, sentence, values in sorted([*came, *away], key=lambda one: one[0]):
            yield self._at(time, sentence, **values)
        if not came:
            yield "  " + self._say("nothing came")
        yield self._say("silent" if times["after"] and times["before"] else
                        "silent since" if times["before"] else "silent before", **times)  # fmt: skip
        if story["others"]:
            yield self._say("others")
        for other in story["others"]:
            yield self._at(other["first"], other["outcome"], **self._away(other))

    def _came(self, event: dict[str, Any]) -> dict[str, str]:
        outputs = "  ".join(f"{name}: {self._say('state ' + state)}" for name, state in event["outputs"].items())
        return {"kind": event["kind"], "id": event["id"], "outputs": outputs}

    def _away(self, away: dict[str, Any]) -> dict[str, Any]:
        return away | {"last": self._time(away["last"]), "reason": self._translated(away["reason"])}

    def _output(self, output: dict[str, Any]) -> Iterator[str]:
        type_ = f" ({output['type']})" if output["type"] else ""
        yield f"{output['name']}{type_}: {self._say('state ' + output['state'])}"
        for step in _shortened(output["steps"]):
            if "count" in step:
                yield self._indented(self._say("left out", **step))
            else:
                less = step["what"] == "delivered" and step["reason"]
                untried = step["what"] == "dead" and not step["attempt"]
                what = "delivered with less" if less else "dead, not tried" if untried else step["what"]
                yield self._at(step["at"], what, **step | {"reason": self._translated(step["reason"])})
        for place in output["where"].splitlines():
            yield self._indented(place)
        if output["state"] == "waiting":
            again = "" if output["retry"] is None else self._say("tried again", time=self._time(output["retry"]))
            reason = self._translated(output["lane_reason"])
            waits = self._say("lane " + output["lane"], reason=reason, output=output["name"])
            yield self._indented("; ".join(part for part in (waits, again) if part))
        if output["state"] == "dead":
            what_now = "dead what now, lost" if self._story["lost"] else "dead what now"
            yield self._indented(self._say(what_now, id=self._story["id"], output=output["name"]))

    def _at(self, time: str, sentence: str, **values: object) -> str:
        return f"  {self._time(time)}  {self._say(sentence, **values).rstrip()}"

    def _indented(self, text: str) -> str:
        return " " * 23 + text

    def _say(self, sentence: str, **values: object) -> str:
        return say(self._lang, sentence, **values)

    def _translated(self, reason: str) -> str:
        return translated(self._lang, reason)

    def _time(self, time: str) -> str:
        return local(time, self._zone)


def _shortened(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first and last of very many steps."""
    if len(steps) <= _MOST_STEPS:
        return steps
    half = _MOST_STEPS // 2
    return [*steps[:half], {"count": len(steps) - 2 * half}, *steps[-half:]]
