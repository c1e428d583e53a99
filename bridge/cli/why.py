"""`boxbridge why`: one event's whole story, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import UsageError
from bridge.words import say, translated
from bridge.words.telling import Teller


@click.command("why")
@click.argument("event", required=False)
@click.option("--device", metavar="ID", help="Instead of an event: what came of this device, and what did not,")
@click.option(
    "--at", metavar="TIME", help='around this time, ten minutes at most: "20:15", "2026-11-24 20:15", "2h" ago.'
)
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
    story = answer.json()
    if as_json:
        show_json(story)
    else:
        show(*(_Around(story, lang).lines() if event is None else event_lines(story, lang)))


def event_lines(story: dict[str, Any], lang: str) -> Iterator[str]:
    """One event's story, line by line."""
    teller = Teller(story, lang)
    yield teller.title()
    yield from (f"  {time}  {sentence}" for time, sentence in teller.arrival())
    for output in story["outputs"]:
        yield ""
        yield teller.standing(output)
        yield from (f"  {time:19}  {sentence}" for time, sentence in teller.steps(output))
        if output["state"] == "dead":
            yield f"{'':23}{teller.what_now(output)}"
    if not story["outputs"]:
        yield say(lang, "no outputs")


_SILENT = {
    (True, True): "silent",
    (True, False): "silent since",
    (False, True): "silent before",
    (False, False): "silent always",
}
"""What is said of a device's silence, by whether an event came before and after the time."""


class _Around:
    """What came of a device around a time."""

    def __init__(self, story: dict[str, Any], lang: str) -> None:
        self._story = story
        self._lang = lang
        self._teller = Teller(story, lang)

    def lines(self) -> Iterator[str]:
        """One after the other."""
        story = self._story
        times = {
            name: self._teller.time(story[name]) if story[name] else ""
            for name in ("since", "until", "before", "after")
        }
        yield self._teller.say("around", device=story["device"], **times)
        came = [(event["received"], "came", self._came(event)) for event in story["events"]]
        away = [(away["first"], away["outcome"], self._away(away)) for away in story["turned_away"]]
        for time, sentence, values in sorted([*came, *away], key=lambda one: one[0]):
            yield self._at(time, sentence, **values)
        if not came:
            yield "  " + self._teller.say("nothing came")
        yield self._teller.say(_SILENT[bool(times["before"]), bool(times["after"])], **times)
        if story["others"]:
            yield self._teller.say("others")
        for other in story["others"]:
            yield self._at(other["first"], other["outcome"], **self._away(other))

    def _came(self, event: dict[str, Any]) -> dict[str, str]:
        outputs = "  ".join(
            self._teller.say("because", state=name, reason=self._teller.say(f"state {state}"))
            for name, state in event["outputs"].items()
        )
        return {"kind": event["kind"], "id": event["id"], "outputs": outputs}

    def _away(self, away: dict[str, Any]) -> dict[str, Any]:
        return away | {"last": self._teller.time(away["last"]), "reason": translated(self._lang, away["reason"])}

    def _at(self, time: str, sentence: str, **values: object) -> str:
        return f"  {self._teller.time(time)}  {self._teller.say(sentence, **values).rstrip()}"
