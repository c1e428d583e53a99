"""Events as the live page shows them: a card each, with the picture and a mark for every output."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from msgspec import Struct

from bridge.control import events
from bridge.control.answers import Missing, Trouble
from bridge.control.console.overlay import Overlay, overlay
from bridge.control.console.timings import Timings
from bridge.control.house import House
from bridge.event import Event
from bridge.journal.standing import Listed, State

SIGNS: Final[dict[State, str]] = {"delivered": "✓", "waiting": "◷", "dead": "✗", "expired": "✗", "dropped": "✗"}
_COUNTS: Final = 4
_LONGEST: Final = 200
"""Characters of what something is called,"""
_SHAPES: Final = 50
"""and shapes of one kind over a scene: a page has dozens of cards, which are drawn on the event loop."""


class Mark(Struct, frozen=True, kw_only=True):
    """How an event stands with one output."""

    output: str
    state: State
    sign: str
    seconds: float | None
    """How long after its receipt it was out; None where that is not known, or not so."""


class Card(Struct, frozen=True, kw_only=True):
    """One event."""

    id: str
    kind: str
    name: str
    device: str
    channel: str
    received: datetime
    counts: list[tuple[str, int]]
    picture: int | None
    """The number of its scene, where it has one."""
    overlay: Overlay | None
    marks: list[Mark]


async def cards_of(house: House, listed: Sequence[Listed], timings: Timings) -> list[Card]:
    """Cards for these events, as much as can be read of them."""
    return [await _card(house, one, timings) for one in listed]


def marks_of(listed: Listed, timings: Timings) -> list[Mark]:
    """A mark for each output that the event was for."""
    known = timings.of(listed.row.id)
    return [
        Mark(
            output=output,
            state=state,
            sign=SIGNS.get(state, "–"),
            seconds=known.get(output) if state == "delivered" else None,
        )
        for output, state in listed.outputs.items()
        if state != "earlier"
    ]


async def _card(house: House, listed: Listed, timings: Timings) -> Card:
    row = listed.row
    try:
        _, event = await events.read(house, row)
    except (Missing, Trouble):  # said on the event's own page
        event = None
    shown = events.listed_event(listed)
    return Card(
        id=row.id,
        kind=row.kind,
        name=event.name[:_LONGEST] if event else "",
        device=row.device,
        channel=row.channel,
        received=shown.received,
        counts=[(name[:_LONGEST], count) for name, count in islice(event.counts.items(), _COUNTS)] if event else [],
        picture=scene_of(event) if event else None,
        overlay=overlay(event, _SHAPES) if event else None,
        marks=marks_of(listed, timings),
    )


def scene_of(event: Event) -> int | None:
    """The number of the picture of the whole scene."""
    return next((number for number, picture in enumerate(event.pictures) if picture.role == "scene"), None)
