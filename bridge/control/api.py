"""The control listener: a Starlette application for people and monitoring, on a unix socket and on loopback."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import DecodeError, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control.house import House
from bridge.dispatch.lane import LaneReport
from bridge.errors import BridgeError, FileTrouble
from bridge.event import PictureLost
from bridge.journal.backlog import Holder
from bridge.journal.cursor import now_ms
from bridge.journal.index import EventRow
from bridge.journal.journal import Journal, JournalUnavailable, Record
from bridge.journal.quota import Outlook

_EVENTS = "/api/v1/events/"
_SHOWN_MS = 30 * 86_400_000
"""How long it is shown that an output was passed by."""
_NOT_GUESSED = {"X-Content-Type-Options": "nosniff"}
_NO_PAGE = _NOT_GUESSED | {"Content-Disposition": "attachment"}
"""What a device sent may be a page with a script: a browser is to keep it as a file, whatever the device calls it."""


class Refusals(Struct, frozen=True):
    """Pushes of one peer that were refused for one reason, since the start."""

    peer: str
    reason: str
    count: int


class OddField(Struct, frozen=True):
    """A field that a device left out or sent in another type, since the start; the events are kept all the same."""

    device: str
    field: str
    count: int


class Skipped(Struct, frozen=True, kw_only=True):
    """Events that an output was passed by for good."""

    count: int
    when: int
    """The last time, in milliseconds since 1970."""
    reason: str


class JournalReport(Struct, frozen=True, kw_only=True):
    """How the journal stands."""

    bytes: int
    segments: int
    next: int
    closed_because: str | None
    """Why no push is taken now; None while all is well."""
    parked: dict[str, int]
    """Outputs that are no longer configured, and how many events are kept for them."""
    room: Outlook
    held_by: Holder | None
    """The output that holds the oldest part of it."""
    skipped: dict[str, Skipped]
    """What outputs were passed by for good in the last 30 days."""


class StatusReport(Struct, frozen=True, kw_only=True):
    """What `boxbridge status` shows."""

    version: str
    site: str
    config: str
    started: float
    devices_listen: str
    journal: JournalReport
    outputs: list[LaneReport]
    disabled: list[str]
    devices: dict[str, datetime]
    """When each last pushed, since the start."""
    pushes: dict[str, int]
    """By outcome, since the start."""
    refused: list[Refusals]
    odd_fields: list[OddField]


class _Missing(Exception):
    """There is no such thing; the text says what."""


class _NotNow(Exception):
    """It can't be had now; the text says why."""


def application(house: House) -> Starlette:
    """The application for a running daemon."""

    async def livez(_: Request) -> Response:
        return _text("ok")

    async def readyz(request: Request) -> Response:
        problems = _problems(house)
        verbose = "\n".join(problems) if "verbose" in request.query_params else ""
        return _text(verbose or ("not ready" if problems else "ok"), 503 if problems else 200)

    async def metrics_page(_: Request) -> Response:
        from bridge.control import metrics  # noqa: PLC0415 - it costs 8 MB until somebody asks

        return Response(await metrics.render(house), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def status(_: Request) -> Response:
        return _json(_status(house))

    async def reload(_: Request) -> Response:
        try:
            reloaded = await house.reload()
        except BridgeError as error:
            return _json({"error": str(error), "exit_code": error.exit_code}, 422)
        return _json({"reloaded": str(house.config), **msgspec.structs.asdict(reloaded)})

    async def event(request: Request) -> Response:
        # As it was sent: a msg_id may have a slash of its own, which is quoted there.
        what, _, part = request.scope["raw_path"].decode("ascii").removeprefix(_EVENTS).partition("/")
        try:
            return await _event(house, unquote(what), part or "document")
        except _Missing as error:
            return _json({"error": str(error)}, 404)
        except _NotNow as error:
            return _json({"error": str(error), "exit_code": FileTrouble.exit_code}, 503)

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", metrics_page),
            Route("/api/v1/status", status),
            Route("/api/v1/reload", reload, methods=["POST"]),
            Route(_EVENTS + "{what:path}", event),
        ]
    )


def _problems(house: House) -> list[str]:
    """Why the daemon can't do its work now; outputs that are away are no reason: their events wait."""
    closed = house.journal.closed_because
    return [f"journal: {closed}"] if closed else []


def _status(house: House) -> StatusReport:
    journal, intake, settings = house.journal, house.intake, house.settings
    pushes: dict[str, int] = {}
    for (_, outcome), count in intake.pushes.items():
        pushes[outcome] = pushes.get(outcome, 0) + count
    return StatusReport(
        version=house.version,
        site=settings.site,
        config=str(house.config),
        started=house.started,
        devices_listen=settings.server.listen,
        journal=JournalReport(
            bytes=journal.log.bytes_on_disk(),
            segments=len(journal.log.segments),
            next=journal.next,
            closed_because=journal.closed_because,
            parked={cursor.name: cursor.waiting(journal.next) for cursor in journal.parked},
            room=journal.outlook(),
            held_by=journal.holder(),
            skipped=_skipped(journal),
        ),
        outputs=house.dispatcher.reports(),
        disabled=[name for name, output in settings.output.items() if not output.enabled],
        devices=dict(intake.last_seen),
        pushes=pushes,
        refused=[Refusals(peer, reason, count) for (peer, reason), count in intake.refused.most_common(20)],
        odd_fields=[OddField(device, field, count) for (device, field), count in intake.oddities.most_common(20)],
    )


def _skipped(journal: Journal) -> dict[str, Skipped]:
    since = now_ms() - _SHOWN_MS
    return {
        cursor.name: Skipped(count=cursor.skipped_events, when=last.when, reason=last.reason)
        for cursor in journal.cursors.values()
        for last in cursor.skipped[-1:]
        if last.when >= since
    }


async def _event(house: House, what: str, part: str) -> Response:
    """An event's document, its original request, or one of its pictures; raises _Missing and _NotNow."""
    row = await _find(house, what)
    try:
        read = await house.journal.read(row.sequence)
        found = read.event(row.sequence) if isinstance(read, Record) else None
    except OSError as error:
        raise _NotNow(f"the record of event {row.id} can't be read now: {error}") from error
    except DecodeError as error:
        raise _Missing(f"the record of event {row.id} holds a document that can't be understood: {error}") from error
    if not isinstance(read, Record):
        raise _Missing(
            f"event {row.id} is no longer kept" if read.let_go else f"the record of event {row.id} is damaged on disk"
        )
    if found is None:
        raise _Missing(f"the record of event {row.id} holds no event")
    try:
        if part == "document":
            return Response(read.document(row.sequence), media_type="application/json")
        if part == "original":
            original = read.original()
            return Response(await original.read(), media_type="application/octet-stream", headers=_NO_PAGE)
        number = part.removeprefix("picture/")
        if number.isdecimal() and int(number) < len(found.pictures):
            picture = found.pictures[int(number)]
            return Response(await picture.read(), media_type=picture.media_type, headers=_NOT_GUESSED)
    except OSError as error:
        raise _NotNow(f"event {row.id}: {error.strerror or error}") from error
    except PictureLost as error:
        raise _Missing(str(error)) from error
    raise _Missing(f"event {row.id} has no {part}; it has {len(found.pictures)} pictures, counted from 0")


async def _find(house: House, what: str) -> EventRow:
    try:
        rows = await house.journal.find(what)
    except (sqlite3.Error, JournalUnavailable) as error:
        raise _NotNow(f"the index can't be asked now: {error}") from error
    if not rows:
        raise _Missing(f"no event {what}: give its id, at least 6 characters of its beginning, or its msg_id")
    if len(rows) > 1 and rows[0].id != rows[1].id and what not in (rows[0].id, rows[1].id):
        raise _Missing(f"more than one event begins with or has the msg_id {what}: give the whole id")
    return rows[0]


def _text(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, media_type="text/plain")


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
