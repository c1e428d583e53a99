"""The outputs, as people see and handle them: how they stand; pause, resume, rename and forget one."""

from __future__ import annotations

import structlog
from msgspec import Struct
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from bridge.control.answers import Missing, Refusal, Wrong, answering, body, kept, writable
from bridge.control.house import House
from bridge.errors import why
from bridge.journal.cursor import Cursor, now_ms
from bridge.journal.journal import Journal, Record
from bridge.journal.record import from_milliseconds

log = structlog.get_logger("boxbridge.control")


class OutputReport(Struct, frozen=True, kw_only=True):
    """How one output stands."""

    name: str
    type: str
    """Empty where it is no longer configured."""
    state: str
    """opening, open, waiting (the far side is away), paused (the far side wants no more), held (a person paused it),
    off (enabled = false), gone (no longer configured)."""
    reason: str = ""
    since: float | None = None
    """Seconds since 1970 at which the state began."""
    retry_in: float | None = None
    waiting: int
    under_way: int = 0
    dead: int
    delivered: int = 0
    """Since the start."""


class Changed(Struct, frozen=True):
    """What was asked of an output is done."""

    done: str
    """A sentence."""


class NewName(Struct, frozen=True):
    """What an output is to be called."""

    to: str = ""


def routes(house: House) -> list[Route]:
    """Listing outputs, and the four things that can be done to one."""

    async def listed(_: Request) -> list[OutputReport]:
        return reports(house)

    async def act(request: Request) -> Changed:
        name, action = request.path_params["name"], request.path_params["action"]
        return Changed(await act_on(house, name, action, await body(request, NewName)))

    return [
        Route("/api/v1/outputs", answering(listed)),
        Route("/api/v1/outputs/{name}/{action}", answering(act), methods=["POST"]),
    ]


async def act_on(house: House, name: str, action: str, asked: NewName) -> str:
    """Pause, resume, rename or forget an output; returns what is done, raises Refusal."""
    writable(house)
    with kept():
        return await _act(house, name, action, asked)


async def _act(house: House, name: str, action: str, asked: NewName) -> str:
    match action:
        case "pause":
            return await _pause(house, _configured(house, name))
        case "resume":
            return await _resume(house, _configured(house, name))
        case "rename":
            return await _rename(house, _parked(house, name), asked.to)
        case "forget":
            return await _forget(house, _parked(house, name))
    raise Missing(f"an output can't be asked to {action}: pause, resume, rename or forget it")


def reports(house: House) -> list[OutputReport]:
    """All outputs: those of the configuration, then those that only the journal still knows."""
    configured = house.settings.output
    names = [*configured, *(name for name in house.journal.cursors if name not in configured)]
    return [_report(house, name) for name in names if name in house.journal.cursors]


def _report(house: House, name: str) -> OutputReport:
    settings, lane = house.settings.output.get(name), house.dispatcher.lanes.get(name)
    cursor = house.journal.cursors[name]
    if lane is None:
        return OutputReport(
            name=name,
            type=settings.type if settings else "",
            state="gone" if settings is None else "held" if cursor.paused else "off",
            since=cursor.paused / 1000 if cursor.paused else None,
            waiting=cursor.waiting(house.journal.next),
            dead=cursor.dead,
            delivered=house.dispatcher.figures[name].delivered,
        )
    return OutputReport(**asdict(lane.report()))


async def oldest_waiting(journal: Journal, cursor: Cursor) -> float | None:
    """When the oldest event that waits for an output was received, in seconds since 1970; None where it can't be read.

    That it can't is for the lane to say, which wants the event itself.
    """
    sequence = cursor.oldest_waiting(journal.next)
    if sequence is None:
        return None
    try:
        read = await journal.read(sequence)
    except OSError:
        return None
    return from_milliseconds(read.blob.received).timestamp() if isinstance(read, Record) else None


async def _pause(house: House, cursor: Cursor) -> str:
    async with house.dispatcher.apart(cursor.name, house.settings):
        cursor.paused = cursor.paused or now_ms()
        await house.journal.write_state()
    return f"output {cursor.name} is paused; its events wait until: boxbridge outputs resume {cursor.name}"


async def _resume(house: House, cursor: Cursor) -> str:
    if not house.settings.output[cursor.name].enabled:
        raise Refusal(f"output {cursor.name} is off in the configuration: remove enabled = false there, then reload")
    async with house.dispatcher.apart(cursor.name, house.settings):
        cursor.paused = 0
        await house.journal.write_state()
    return f"output {cursor.name} goes on; {cursor.waiting(house.journal.next)} waiting for it"


async def _rename(house: House, cursor: Cursor, new: str) -> str:
    old = cursor.name
    if not new:
        raise Wrong("say what it is to be called")
    if new in house.journal.cursors and new not in house.settings.output:
        raise Refusal(f"{new} is the name of another output that is no longer configured: forget that one first")
    async with house.dispatcher.apart(new, house.settings):
        _parked(house, old)  # a reload may have been quicker
        if new in house.journal.cursors:
            await house.replays.cancel_of(house.journal.cursors[new])
        await house.journal.rename_output(old, new)
    waiting = cursor.waiting(house.journal.next)
    return f"output {old} is called {new} now, and goes on where {old} stood: {waiting} waiting, {cursor.dead} dead"


async def _forget(house: House, cursor: Cursor) -> str:
    async with house.dispatcher.apart(cursor.name, house.settings):
        _parked(house, cursor.name)  # a reload may have been quicker
        await house.replays.cancel_of(cursor)
        await house.journal.forget_output(cursor.name)
    waiting = cursor.waiting(house.journal.next)
    done = f"output {cursor.name} is forgotten, with {waiting} that waited and {cursor.dead} dead"
    return "\n".join(line for line in (done, await _cleared(house, cursor.name)) if line)


async def _cleared(house: House, name: str) -> str:
    """What became of what it keeps at its far side."""
    try:
        cleared = await house.dispatcher.forget(name)
    except Exception as error:  # noqa: BLE001 - an output may raise anything, and it is forgotten all the same
        reason = why(error)
        log.warning("what a forgotten output keeps at its far side stays there", output=name, reason=reason)
        return f"what it keeps at its far side stays there: {reason}"
    if cleared is None:
        return "what it may keep at its far side stays there: it was not configured since boxbridge was started"
    return cleared


def cursor_of(house: House, name: str) -> Cursor:
    """The place of an output that the journal knows; raises Missing."""
    cursors = house.journal.cursors
    if name not in cursors:
        raise Missing(f'there is no output "{name}": there are {", ".join(cursors) or "none"}')
    return cursors[name]


def _configured(house: House, name: str) -> Cursor:
    cursor = cursor_of(house, name)
    if name not in house.settings.output:
        raise Refusal(f"output {name} is no longer configured: it can be renamed or forgotten")
    return cursor


def _parked(house: House, name: str) -> Cursor:
    cursor = cursor_of(house, name)
    if name in house.settings.output:
        raise Refusal(f"output {name} is configured: change its table in {house.config} first, then reload")
    return cursor
