"""Dead letters: what outputs gave up, why, and what a person wants done with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from bridge.control import events
from bridge.control.answers import Missing, Trouble, Wrong, answering, body, kept, writable
from bridge.control.house import House
from bridge.control.numbers import is_number
from bridge.control.outputs import cursor_of
from bridge.journal.cursor import Cursor
from bridge.journal.questions import BEGINNING, EventRow, Filter, these_events
from bridge.journal.record import OpenEntry, from_milliseconds


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that an output gave up."""

    output: str
    id: str
    """`#` and its number in the journal where its record is damaged."""
    kind: str = ""
    device: str = ""
    channel: str = ""
    received: datetime | None = None
    failing_since: datetime | None
    """When it first failed."""
    died: datetime
    attempts: int
    reason: str
    lost: bool
    """Whether its record is known to be damaged or missing, so that there is nothing to deliver again."""


class DeadList(Struct, frozen=True, kw_only=True):
    """Dead letters, the newest first."""

    timezone: str
    total: int
    letters: list[DeadLetter]
    after: str | None
    """What to ask for to get the next part; null at the end."""


class Chosen(Struct, frozen=True, kw_only=True):
    """Which dead letters are meant."""

    events: list[str] = []
    """By what people know of them."""
    all: bool = False
    output: str = ""
    """Of this output only; else of any."""
    reason: str | None = None
    """With `all`: only what was given up for this reason."""


class Done(Struct, frozen=True):
    """What was done."""

    outputs: dict[str, int]
    """To how many dead letters of each output."""


def routes(house: House) -> list[Route]:
    """Listing dead letters, delivering them again, and dropping them."""

    async def listed(request: Request) -> DeadList:
        asked = request.query_params
        only = await _sequences(house, [asked["event"]]) if "event" in asked else None
        limit = asked.get("limit", "50")
        if not is_number(limit):
            raise Wrong("the limit must be a number; 0 for all")
        return await list_dead(house, asked.get("output", ""), int(limit), only, asked.get("after", ""))

    async def retry(request: Request) -> Done:
        return await retry_dead(house, await body(request, Chosen))

    async def drop(request: Request) -> Done:
        return await drop_dead(house, await body(request, Chosen))

    return [
        Route("/api/v1/dead", answering(listed)),
        Route("/api/v1/dead/retry", answering(retry), methods=["POST"]),
        Route("/api/v1/dead/drop", answering(drop), methods=["POST"]),
    ]


async def list_dead(house: House, output: str, limit: int, only: set[int] | None = None, after: str = "") -> DeadList:
    """Dead letters of one output or of all, the newest first; raises Missing, Wrong and sqlite3.Error.

    `limit`: 0 for all. `after`: where the list before ended.
    """
    letters = [
        (entry, cursor.name)
        for cursor in _cursors(house, output)
        for entry in cursor.dead_letters()
        if only is None or entry.sequence in only
    ]
    letters.sort(key=_place, reverse=True)
    below = _after(after)
    left = [letter for letter in letters if _place(letter) < below] if below else letters
    shown = left[:limit] if limit else left
    named = {entry.sequence for entry, _ in shown}
    rows = await house.journal.ask(lambda index: these_events(index, named, Filter(), BEGINNING, len(named)))
    known = {row.sequence: row for row in rows}
    lost = {row.sequence for row in rows if await _is_lost(house, row)}
    return DeadList(
        timezone=str(house.settings.timezone),
        total=len(letters),
        letters=[_letter(name, entry, known.get(entry.sequence), lost) for entry, name in shown],
        after=",".join(map(str, _place(shown[-1]))) if len(shown) < len(left) else None,
    )


def reasons(house: House) -> Counter[tuple[str, str]]:
    """How many dead letters there are, by output and reason."""
    return Counter((cursor.name, entry.reason) for cursor in _cursors(house, "") for entry in cursor.dead_letters())


def _place(letter: tuple[OpenEntry, str]) -> tuple[int, int, str]:
    """Where it stands in the list."""
    entry, output = letter
    return entry.dead_since, entry.sequence, output


def _after(text: str) -> tuple[int, int, str] | None:
    died, _, rest = text.partition(",")
    sequence, _, output = rest.partition(",")
    if not text:
        return None
    if not (is_number(died) and is_number(sequence)):
        raise Wrong("`after` is not what the part of the list before said")
    return int(died), int(sequence), output


async def _is_lost(house: House, row: EventRow) -> bool:
    await asyncio.sleep(0)  # a long list must not hold the loop
    try:
        await events.read(house, row)
    except Missing:
        return True
    except Trouble:
        return False  # nobody knows now
    return False


def _letter(output: str, entry: OpenEntry, row: EventRow | None, lost: set[int]) -> DeadLetter:
    return DeadLetter(
        output=output,
        id=row.id if row else f"#{entry.sequence}",
        kind=row.kind if row else "",
        device=row.device if row else "",
        channel=row.channel if row else "",
        received=from_milliseconds(row.received) if row else None,
        failing_since=from_milliseconds(entry.failing_since) if entry.failing_since else None,
        died=from_milliseconds(entry.dead_since),
        attempts=entry.attempts,
        reason=entry.reason,
        lost=row is None or entry.sequence in lost,
    )


async def retry_dead(house: House, chosen: Chosen) -> Done:
    """Have outputs deliver dead letters again; raises Missing, Wrong, Trouble and sqlite3.Error."""
    return await _do(house, chosen, _retry)


async def drop_dead(house: House, chosen: Chosen) -> Done:
    """Drop dead letters for good; raises the same."""
    return await _do(house, chosen, _drop)


async def _do(house: House, chosen: Chosen, act: Callable[[House, Cursor, OpenEntry], None]) -> Done:
    writable(house)
    if bool(chosen.events) == chosen.all:
        raise Wrong("say which dead letters: events, or all")
    wanted = None if chosen.all else await _sequences(house, chosen.events)
    done: dict[str, int] = {}
    left = set(wanted or ())
    for cursor in _cursors(house, chosen.output):
        for entry in cursor.dead_letters():
            if (wanted is None or entry.sequence in wanted) and chosen.reason in (None, entry.reason):
                act(house, cursor, entry)
                done[cursor.name] = done.get(cursor.name, 0) + 1
                left.discard(entry.sequence)
    if left and not done:
        of = f" of output {chosen.output}" if chosen.output else ""
        raise Missing(f"{', '.join(chosen.events)} is no dead letter{of}: boxbridge dead list")
    with kept():
        await house.journal.write_all()
    return Done(done)


def _retry(house: House, cursor: Cursor, entry: OpenEntry) -> None:
    house.dispatcher.again(cursor.name, entry.sequence)


def _drop(house: House, cursor: Cursor, entry: OpenEntry) -> None:
    cursor.settle(entry.sequence, "dropped", entry.attempts, entry.reason)
    house.journal.moved()


def _cursors(house: House, output: str) -> list[Cursor]:
    """Of one output, or of all that the journal knows; raises Missing."""
    return [cursor_of(house, output)] if output else list(house.journal.cursors.values())


async def _sequences(house: House, what: list[str]) -> set[int]:
    """Where the events that are meant lie; raises Missing."""
    return {
        int(one[1:]) if one.startswith("#") and is_number(one[1:]) else (await events.find(house, one)).sequence
        for one in what
    }
