"""The whole story of one event, as facts: what came, what was kept, and what each output did with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.routing import Route

from bridge.control import events
from bridge.control.answers import Missing, Trouble, answering
from bridge.control.house import House
from bridge.errors import why
from bridge.journal import questions
from bridge.journal.cursor import Cursor
from bridge.journal.history import deliveries
from bridge.journal.questions import FOR_EVER, EventRow
from bridge.journal.record import Change, OutputNote, TurnedAway, from_milliseconds
from bridge.journal.standing import Standing, State, last_outcome
from bridge.output import Delivery

log = structlog.get_logger("boxbridge.control")

_WHERE_SECONDS: Final = 5.0
"""How long an output may look for an event: its far side may be a share that is gone."""


class Step(Struct, frozen=True, kw_only=True):
    """Something that happened to an event at an output."""

    at: datetime
    what: str
    """An outcome (delivered, retry, dead, again, replay, …), or the output's state: open, waiting, paused, stopped."""
    attempt: int = 0
    reason: str = ""


class OutputStory(Struct, frozen=True, kw_only=True):
    """What one output did with an event."""

    name: str
    type: str
    """Empty where the output is no longer configured."""
    state: State
    steps: list[Step]
    where: str
    """Where it is to be found, one place a line; empty where that is not known."""
    lane: str
    """How the output is now: open, waiting, paused (by the far side), held (by a person), off, or gone."""
    lane_reason: str
    retry: datetime | None
    """When the event, or the output that it waits for, is tried again."""


class Repetition(Struct, frozen=True, kw_only=True):
    """The same push came again within a minute."""

    first: datetime
    last: datetime
    count: int
    peer: str


class Kept(Struct, frozen=True, kw_only=True):
    """A picture of the event in the journal."""

    role: str
    size: int
    sha256: str


class Story(Struct, frozen=True, kw_only=True):
    """All that is known of one event. What only its record tells is empty where that is damaged or no longer kept."""

    timezone: str
    id: str
    msg_id: str = ""
    kind: str
    name: str = ""
    device: str
    channel: str
    occurred: datetime
    received: datetime
    peer: str = ""
    method: str = ""
    path: str = ""
    segment: str = ""
    """The journal's file that has it."""
    lost: str = ""
    """Why no more is known than the index says; empty where the record is there."""
    pictures: list[Kept] = []
    repetitions: list[Repetition] = []
    outputs: list[OutputStory]


def routes(house: House) -> list[Route]:
    """Why an event did or did not get out."""

    async def why(request: Request) -> Story:
        return await tell(house, request.path_params["what"])

    return [Route("/api/v1/why/{what:path}", answering(why))]


async def tell(house: House, what: str) -> Story:
    """The story of an event; raises Missing, Trouble and sqlite3.Error."""
    row = await events.find(house, what)
    try:
        record, event = await events.read(house, row)
    except Missing as lost:
        return replace(await _story(house, row, None), lost=str(lost))
    delivery = Delivery(event=event, document=record.document(row.sequence), original=record.original())
    segment = house.journal.log.segment_of(row.sequence)
    repeated = await house.journal.ask(lambda index: questions.repetitions(index, record.sequence))
    return replace(
        await _story(house, row, delivery),
        msg_id=event.msg_id,
        name=event.name,
        peer=record.blob.peer,
        method=record.blob.method,
        path=record.blob.path,
        segment=segment.path.name if segment else "",
        pictures=[Kept(role=p.role, size=p.size, sha256=p.sha256) for p in event.pictures],
        repetitions=[_repetition(sum_) for sum_ in repeated],
    )


async def _story(house: House, row: EventRow, delivery: Delivery | None) -> Story:
    """What the index and the outputs know. `delivery`: as they were given the event, if its record can be had."""
    return Story(
        timezone=str(house.settings.timezone),
        id=row.id,
        kind=row.kind,
        device=row.device,
        channel=row.channel,
        occurred=from_milliseconds(row.occurred),
        received=from_milliseconds(row.received),
        outputs=await _outputs(house, row, delivery),
    )


async def _outputs(house: House, row: EventRow, delivery: Delivery | None) -> list[OutputStory]:
    """What each output did with it."""
    cursors = list(house.journal.cursors.values())
    entries = [cursor.entry() for cursor in cursors]  # before it is asked, which brings all of this to disk
    troubles = await house.journal.ask(lambda index: questions.troubles(index, row.sequence, row.sequence))
    replayed = [change.when for change in troubles if change.outcome == "replay"]
    try:
        done = await asyncio.to_thread(deliveries, house.journal.log, row.sequence, entries, replayed)
    except OSError as error:
        raise Trouble(f"the journal can't be read now: {why(error)}") from error
    stories = []
    for cursor, entry in zip(cursors, entries, strict=True):
        changes = sorted((c for c in (*troubles, *done) if c.output == cursor.number), key=lambda change: change.when)
        state = Standing(entry).state(row.sequence, last_outcome(troubles, cursor.number, row.sequence))
        if state != "earlier" or changes:
            stories.append(await _output(house, cursor, row, state, changes, delivery))
    return stories


async def _output(
    house: House, cursor: Cursor, row: EventRow, state: State, changes: list[Change], delivery: Delivery | None
) -> OutputStory:
    settings, lane = house.settings.output.get(cursor.name), house.dispatcher.lanes.get(cursor.name)
    until = FOR_EVER if state in ("waiting", "dead") or not changes else changes[-1].when
    notes = await house.journal.ask(lambda index: questions.output_notes(index, cursor.number, row.received, until))
    delivered = [change.when for change in changes if change.outcome == "delivered"]
    stands, reason, retry = _lane(house, cursor, row.sequence)
    where = ""
    if state == "delivered" and lane is not None and delivery is not None:
        try:
            when = from_milliseconds(delivered[-1] if delivered else row.received)
            where = await asyncio.wait_for(lane.where(delivery, when), _WHERE_SECONDS)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the rest of the story is as good
            log.warning("output can't say where an event is", output=cursor.name, event_id=row.id, error=why(error))
    return OutputStory(
        name=cursor.name,
        type=settings.type if settings else "",
        state=state,
        steps=_steps(changes, _told(notes)),
        where=where,
        lane=stands,
        lane_reason=reason,
        retry=retry if state == "waiting" else None,
    )


def _lane(house: House, cursor: Cursor, sequence: int) -> tuple[str, str, datetime | None]:
    """How an output is now, why, and when the event is tried next."""
    settings, lane = house.settings.output.get(cursor.name), house.dispatcher.lanes.get(cursor.name)
    if settings is None:
        return "gone", "", None
    if lane is None:
        return ("held" if cursor.paused else "off"), "", None
    report = lane.report()
    seconds = report.retry_in if report.state == "waiting" else lane.retry_in(sequence)
    retry = None if seconds is None else from_milliseconds(round((time.time() + seconds) * 1000))
    return report.state, "" if report.state == "open" else report.reason, retry


def _told(notes: list[OutputNote]) -> list[OutputNote]:
    """The notes that say something: an output that was open all the while is not worth a word."""
    return [] if all(note.state == "open" for note in notes) else notes


def _steps(changes: Iterable[Change], notes: Iterable[OutputNote]) -> list[Step]:
    # Within the same millisecond an output was there before it took anything.
    steps = [Step(at=from_milliseconds(note.when), what=note.state, reason=note.reason) for note in notes]
    steps += [
        Step(at=from_milliseconds(change.when), what=change.outcome, attempt=change.attempts, reason=change.reason)
        for change in changes
    ]
    return sorted(steps, key=lambda step: step.at)


def _repetition(sum_: TurnedAway) -> Repetition:
    return Repetition(
        first=from_milliseconds(sum_.first), last=from_milliseconds(sum_.last), count=sum_.count, peer=sum_.peer
    )
