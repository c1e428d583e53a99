"""What came of a device around a time, what did not, and how long it was silent: as facts."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from bridge.control import events
from bridge.control.answers import Missing, Trouble, Wrong, answering
from bridge.control.events import ListedEvent
from bridge.control.house import House
from bridge.control.times import milliseconds
from bridge.event import utc_now
from bridge.journal import questions
from bridge.journal.questions import BEGINNING, EventRow, Filter
from bridge.journal.record import TurnedAway, from_milliseconds
from bridge.journal.standing import Listed, Listing

_WITHIN_MS: Final = 600_000
_MOST: Final = 100


class Away(Struct, frozen=True, kw_only=True):
    """Pushes of one minute that were not stored as new."""

    first: datetime
    last: datetime
    count: int
    outcome: str
    """duplicate, refused, or not stored."""
    device: str
    peer: str
    reason: str
    event: str
    """Of a duplicate: the event that it had brought before."""


class Around(Struct, frozen=True, kw_only=True):
    """What is known of a device around a time."""

    timezone: str
    device: str
    at: datetime
    since: datetime
    until: datetime
    events: list[ListedEvent]
    """Received between `since` and `until`, which lie closer together where more came; the newest first."""
    turned_away: list[Away]
    """Of the device, or of an address that it pushes from."""
    others: list[Away]
    """Of other addresses, where the push did not get so far as to say its device."""
    before: datetime | None
    """When its last event before the time was received,"""
    after: datetime | None
    """and the next one; between them it was silent."""
    peers: list[str]
    """The addresses that it pushed from then."""


class _Found(Struct, frozen=True):
    """What the index has."""

    listed: list[Listed]
    before: EventRow | None
    after: EventRow | None
    turned_away: list[TurnedAway]
    repeated: dict[int, str]


def routes(house: House) -> list[Route]:
    """Why nothing came, or what did."""

    async def around(request: Request) -> Around:
        device, at = request.query_params.get("device", ""), request.query_params.get("at", "")
        if not device or not at:
            raise Wrong("say which event; or which device and around which time")
        return await tell(house, device, milliseconds(at, house.settings.timezone, utc_now()))

    return [Route("/api/v1/why", answering(around))]


async def tell(house: House, device: str, at: int) -> Around:
    """What came of a device around a time (ms); raises Missing and sqlite3.Error."""
    device = await events.device_meant(house, device)
    window = await house.journal.ask(lambda index: _window(index, device, at, house.journal.next))
    listing = Listing(events.standings(house), house.journal.next, window)
    found = await house.journal.ask(lambda index: _look(index, listing, window, at))
    peers = await _peers(house, [row for row in (found.before, found.after) if row is not None])
    turned = [_away(sum_, found.repeated) for sum_ in found.turned_away]
    mine = [away for away in turned if away.device == device or (not away.device and away.peer in peers)]
    if found.before is None and found.after is None and not mine:
        known = ", ".join(await house.journal.ask(lambda index: questions.devices(index, _MOST)))
        raise Missing(f"nothing was ever received of a device {device}; devices that pushed: {known or 'none'}")
    return Around(
        timezone=str(house.settings.timezone),
        device=device,
        at=from_milliseconds(at),
        since=from_milliseconds(window.since),
        until=from_milliseconds(window.before),
        events=[events.listed_event(listed) for listed in found.listed],
        turned_away=mine,
        others=[away for away in turned if not away.device and away.peer not in peers],
        before=from_milliseconds(found.before.received) if found.before else None,
        after=from_milliseconds(found.after.received) if found.after else None,
        peers=peers,
    )


def _window(index: sqlite3.Connection, device: str, at: int, below: int) -> Filter:
    """Ten minutes before and after, or less where more came then than are shown."""
    within = _WITHIN_MS
    while True:
        window = Filter(since=at - within, before=at + within, device=device)
        if within <= 1 or questions.count_events(index, window, below).events <= _MOST:
            return window
        within //= 2


def _look(index: sqlite3.Connection, listing: Listing, window: Filter, at: int) -> _Found:
    earlier = questions.newest_events(index, Filter(before=at, device=window.device), BEGINNING, 1)
    away = questions.turned_away(index, window.since, window.before)
    repeated = [sum_.sequence for sum_ in away if sum_.sequence]
    rows = questions.these_events(index, repeated, Filter(), BEGINNING, len(repeated))
    return _Found(
        listing.page(index, BEGINNING, _MOST).events,
        earlier[0] if earlier else None,
        questions.next_event(index, window.device, at),
        away,
        {row.sequence: row.id for row in rows},
    )


async def _peers(house: House, rows: list[EventRow]) -> list[str]:
    """The addresses that events came from, where their records can be read."""
    peers: list[str] = []
    for row in rows:
        try:
            record, _ = await events.read(house, row)
        except (Missing, Trouble):
            continue
        peers += [record.blob.peer] if record.blob.peer not in peers else []
    return peers


def _away(sum_: TurnedAway, repeated: dict[int, str]) -> Away:
    return Away(
        first=from_milliseconds(sum_.first),
        last=from_milliseconds(sum_.last),
        count=sum_.count,
        outcome=sum_.outcome,
        device=sum_.device,
        peer=sum_.peer,
        reason=sum_.reason,
        event=repeated.get(sum_.sequence, ""),
    )
