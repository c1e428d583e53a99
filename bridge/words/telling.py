"""Facts of the control API put into sentences: what became of an event, and how an output stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.figures import as_bytes
from bridge.words import local, say, translated

_MOST_STEPS: Final = 12

Told = tuple[str, str]
"""When, and what; no time where it goes on from the line before."""


class Teller:
    """Puts the facts of a story into sentences."""

    def __init__(self, story: dict[str, Any], lang: str) -> None:
        self._story = story
        self._lang = lang
        self._zone = ZoneInfo(story["timezone"])

    def title(self) -> str:
        """Which event it is."""
        story = self._story
        return self.say("event", what=f"{story['kind']} {story['name']}".strip(), **story)

    def arrival(self) -> Iterator[Told]:
        """How it came, and what was kept of it."""
        story = self._story
        yield self.time(story["occurred"]), self.say("occurred")
        if story["lost"]:
            yield (
                self.time(story["received"]),
                self.say("received, no more", reason=translated(self._lang, story["lost"])),
            )
            return
        yield self.time(story["received"]), self.say("received" if story["msg_id"] else "received, no msg_id", **story)
        pictures = ", ".join(f"{p['role']} {as_bytes(p['size'])}" for p in story["pictures"])
        kept = self.say("kept", segment=story["segment"], pictures=pictures or self.say("no pictures"))
        yield self.time(story["received"]), kept
        for again in story["repetitions"]:
            yield self.time(again["first"]), self.say("repeated", **again | {"last": self.time(again["last"])})

    def standing(self, output: dict[str, Any]) -> str:
        """How it stands with an output."""
        type_ = f" ({output['type']})" if output["type"] else ""
        return self.say("because", state=f"{output['name']}{type_}", reason=self.say("state " + output["state"]))

    def steps(self, output: dict[str, Any]) -> Iterator[Told]:
        """What an output did with it, and what comes next."""
        for step in _shortened(output["steps"]):
            if "count" in step:
                yield "", self.say("left out", **step)
            else:
                less = step["what"] == "delivered" and step["reason"]
                untried = step["what"] == "dead" and not step["attempt"]
                what = "delivered with less" if less else "dead, not tried" if untried else step["what"]
                reason = translated(self._lang, step["reason"])
                yield self.time(step["at"]), self.say(what, **step | {"reason": reason}).rstrip()
        yield from (("", place) for place in output["where"].splitlines())
        if output["state"] == "waiting":
            again = "" if output["retry"] is None else self.say("tried again", time=self.time(output["retry"]))
            reason = translated(self._lang, output["lane_reason"])
            waits = self.say("lane " + output["lane"], reason=reason, output=output["name"])
            yield "", self.say("waits, and then", waits=waits, again=again) if again else waits

    def what_now(self, output: dict[str, Any]) -> str:
        """The command for an event that an output gave up."""
        sentence = "dead what now, lost" if self._story["lost"] else "dead what now"
        return self.say(sentence, id=self._story["id"], output=output["name"])

    def say(self, sentence: str, **values: object) -> str:
        """A sentence of the story's reader."""
        return say(self._lang, sentence, **values)

    def time(self, time: str) -> str:
        """A time as people there read it."""
        return local(time, self._zone)


def _shortened(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first and last of very many steps."""
    if len(steps) <= _MOST_STEPS:
        return steps
    half = _MOST_STEPS // 2
    return [*steps[:half], {"count": len(steps) - 2 * half}, *steps[-half:]]


def output_state(output: dict[str, Any], lang: str, span: str = "") -> str:
    """How an output stands; `span`: for how long, where that is to be said."""
    state = say(lang, f"is {output['state']}")
    if span and output["state"] != "open":
        state = say(lang, "since", state=state, span=span)
    if output["retry_in"] is not None:
        state = say(lang, "again in", state=state, seconds=output["retry_in"])
    return say(lang, "because", state=state, reason=translated(lang, output["reason"])) if output["reason"] else state
