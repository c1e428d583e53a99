"""Lists of events, and finding one by what people know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import get_args

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from bridge.control.answers import Missing, Trouble, Wrong, answering
from bridge.control.house import House
from bridge.control.numbers import is_number
from bridge.control.outputs import cursor_of
from bridge.control.times import milliseconds
from bridge.errors import why
from bridge.event import Event, PictureLost, utc_now
from bridge.journal.journal import Record
from bridge.journal.questions import BEGINNING, FOR_EVER, EventRow, Filter, Place, newest_events
from bridge.journal.record import from_milliseconds
from bridge.journal.standing import Listed, Listing, Page, Standing, State

_LIMIT = 1000


class ListedEvent(Struct, frozen=True, kw_only=True):
    """An event of a list."""

    id: str
    kind: str
    device: str
    channel: str
    occurred: datetime
    received: datetime
    outputs: dict[str, State]
    """How it stands with each output."""


class EventList(Struct, frozen=True, kw_only=True):
    """A part of a list."""

    timezone: str
    events: list[ListedEvent]
    after: str | None
    """What to ask for to get the next part; null at the end."""


def routes(house: House) -> list[Route]:
    """What people ask of events, besides their parts."""

    async def listed(request: Request) -> EventList:
        return await list_events(house, dict(request.query_params))

    return [Route("/api/v1/events", answering(listed))]


async def list_events(house: House, asked: Mapping[str, str]) -> EventList:
    """A part of the list of events, newest first; raises Wrong, Missing and sqlite3.Error."""
    page = await page_of(house, asked)
    return EventList(
        timezone=str(house.settings.timezone),
        events=[listed_event(listed) for listed in page.events],
        after=place(page),
    )


async def page_of(house: House, asked: Mapping[str, str]) -> Page:
    """The same as the index has it."""
    state, output = asked.get("state", ""), asked.get("output", "")
    if state and state not in get_args(State):
        raise Wrong(f'there is no state "{state}": give one of {", ".join(get_args(State))}')
    listing = Listing(standings(house, output), house.journal.next, await filter_of(house, asked), state)
    after, limit = _after(asked.get("after", "")), _count(asked.get("limit", "50"))
    return await house.journal.ask(lambda index: listing.page(index, after, limit))


def place(page: Page) -> str | None:
    """What to ask for after this part of the list, as `after`; None at its end."""
    return None if page.after is None else f"{page.after[0]},{page.after[1]}"


def standings(house: House, output: str = "") -> list[Standing]:
    """How the log stands for one output, or for all that are configured; raises Missing."""
    if output:
        return [Standing(cursor_of(house, output).entry())]
    cursors = house.journal.cursors
    return [Standing(cursors[name].entry()) for name in house.settings.output if name in cursors]


async def filter_of(house: House, asked: Mapping[str, str]) -> Filter:
    """Which events are asked for; raises Wrong and sqlite3.Error."""
    zone, now = house.settings.timezone, utc_now()
    since, until = asked.get("since"), asked.get("until")
    return Filter(
        since=milliseconds(since, zone, now) if since else 0,
        before=milliseconds(until, zone, now) if until else FOR_EVER,
        device=await device_meant(house, asked.get("device", "")),
        kind=asked.get("kind", ""),
    )


async def device_meant(house: House, name: str) -> str:
    """The device of this name, or the one that has it as its serial number or uuid; raises sqlite3.Error."""
    called = house.settings.device.get(name)
    if called is None or called.id is None:
        return name
    before = Filter(device=name)  # it may have pushed before it was called otherwise
    return name if await house.journal.ask(lambda index: newest_events(index, before, BEGINNING, 1)) else called.id


async def find(house: House, what: str) -> EventRow:
    """One event by its id, the beginning of its id, its msg_id, or a picture of it; raises Missing, sqlite3.Error."""
    what = what.strip()  # it was copied from somewhere
    rows = await house.journal.find(what)
    if len(what) == 64:
        rows = [row for row in rows if await _has_picture(house, row, what.lower())] or rows
    if not rows:
        raise Missing(
            f'no event "{what}": give its id, at least 6 characters of its beginning, its msg_id, or the file name or '
            "SHA-256 of its picture"
        )
    if len(rows) > 1 and what not in (rows[0].id, rows[1].id):
        raise Missing(f"more than one event is meant by {what}: give the whole id, such as {rows[0].id}")
    return rows[0]


async def read(house: House, row: EventRow) -> tuple[Record, Event]:
    """The record of an event; raises Missing where it is damaged, Trouble where it can't be read now."""
    try:
        with readable(row.id):
            record = await house.journal.read(row.sequence)
            event = record.event(row.sequence) if isinstance(record, Record) else None
    except msgspec.DecodeError as error:
        raise Missing(f"the record of event {row.id} holds a document that can't be understood: {error}") from error
    if not isinstance(record, Record):
        if record.let_go:
            raise Missing(f"event {row.id} is no longer kept")
        raise Missing(f"the record of event {row.id} is damaged on disk")
    if event is None:
        raise Missing(f"the record of event {row.id} holds no event")
    return record, event


@contextmanager
def readable(event_id: str) -> Iterator[None]:
    """Make a Refusal of what can't be read of an event: raises Missing where it is gone, Trouble where it may come."""
    try:
        yield
    except OSError as error:
        raise Trouble(f"the record of event {event_id} can't be read now: {why(error)}") from error
    except PictureLost as error:
        raise Missing(str(error)) from error


async def _has_picture(house: House, row: EventRow, sha256: str) -> bool:
    try:
        _, event = await read(house, row)
    except (Missing, Trouble):  # whoever asks for it is told so
        return False
    return any(picture.sha256 == sha256 for picture in event.pictures)


def listed_event(listed: Listed) -> ListedEvent:
    """An event of a list, as it is answered."""
    row = listed.row
    return ListedEvent(
        id=row.id,
        kind=row.kind,
        device=row.device,
        channel=row.channel,
        occurred=from_milliseconds(row.occurred),
        received=from_milliseconds(row.received),
        outputs=listed.outputs,
    )


def _after(text: str) -> Place:
    received, _, sequence = text.partition(",")
    if not text:
        return BEGINNING
    if not (is_number(received) and is_number(sequence)):
        raise Wrong("`after` is not what the part of the list before said")
    return int(received), int(sequence)


def _count(text: str) -> int:
    if not is_number(text) or not 1 <= int(text) <= _LIMIT:
        raise Wrong(f"the limit must be a number from 1 to {_LIMIT}")
    return int(text)
