"""The control listener: a Starlette application for people and monitoring, on a unix socket and on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import asdict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.control import around, dead, devices, events, outputs, replays, story, trial, unknown
from bridge.control.answers import AS_FILE, NOT_GUESSED, Missing, Trouble, answering, json, text
from bridge.control.house import House
from bridge.control.session import Sessions
from bridge.dispatch.lane import LaneReport
from bridge.errors import BridgeError
from bridge.event import PictureLost
from bridge.journal.backlog import Holder
from bridge.journal.cursor import now_ms
from bridge.journal.journal import Journal
from bridge.journal.quota import Outlook

_EVENTS = "/api/v1/events/"
_SHOWN_MS = 30 * 86_400_000
"""How long it is shown that an output was passed by."""


class Refusals(Struct, frozen=True):
    """Pushes of one peer that were refused for one reason, since the start."""

    peer: str
    reason: str
    count: int


class OddField(Struct, frozen=True):
    """A field that a device left out or sent in another type; the events are kept all the same."""

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
    replays: list[replays.ReplayReport]
    held: list[str]
    """Outputs that a person paused."""
    devices: dict[str, datetime]
    """When each last pushed."""
    pushes: dict[str, int]
    """By outcome, since the start."""
    refused: list[Refusals]
    odd_fields: list[OddField]


def application(house: House, sessions: Sessions) -> Starlette:
    """The application for a running daemon."""

    async def livez(_: Request) -> Response:
        return text("ok")

    async def readyz(request: Request) -> Response:
        problems = _problems(house)
        verbose = "\n".join(problems) if "verbose" in request.query_params else ""
        return text(verbose or ("not ready" if problems else "ok"), 503 if problems else 200)

    async def metrics_page(_: Request) -> Response:
        from bridge.control import metrics  # noqa: PLC0415 - it costs 8 MB until somebody asks

        return Response(await metrics.render(house), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def status(_: Request) -> Response:
        return json(_status(house))

    async def reload(_: Request) -> Response:
        try:
            reloaded = await house.reload()
        except BridgeError as error:
            return json({"error": str(error), "exit_code": error.exit_code}, 422)
        return json({"reloaded": str(house.config), **asdict(reloaded)})

    async def event(request: Request) -> Response:
        # As it was sent: a msg_id may have a slash of its own, which is quoted there.
        what, _, part = request.scope["raw_path"].decode("ascii").removeprefix(_EVENTS).partition("/")
        return await _event(house, unquote(what), part or "document")

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", metrics_page),
            Route("/api/v1/status", status),
            Route("/api/v1/reload", reload, methods=["POST"]),
            *events.routes(house),
            *around.routes(house),
            *story.routes(house),
            *dead.routes(house),
            *devices.routes(house),
            *trial.routes(house),  # before the actions that have no body of their own
            *outputs.routes(house),
            *replays.routes(house),
            *unknown.routes(house),
            Route(_EVENTS + "{what:path}", answering(event)),
            Mount("/", _Pages(house, sessions)),
        ]
    )


class _Pages:
    """The console, from its first page on: templates and all cost megabytes that nobody misses before."""

    def __init__(self, house: House, sessions: Sessions) -> None:
        self._house = house
        self._sessions = sessions
        self._pages: ASGIApp | None = None
        self._opening = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async with self._opening:
            self._pages = self._pages or (await asyncio.to_thread(self._import))()
        await self._pages(scope, receive, send)

    def _import(self) -> Callable[[], ASGIApp]:
        from bridge.control.console.pages import pages  # noqa: PLC0415 - as said above
        from bridge.control.console.site import Site  # noqa: PLC0415

        return partial(pages, Site(self._house, self._sessions))


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
        replays=replays.reports(house),
        held=[report.name for report in outputs.reports(house) if report.state == "held"],
        devices=intake.devices.last_seen,
        pushes=pushes,
        refused=[Refusals(peer, reason, count) for (peer, reason), count in intake.refused.most_common(20)],
        odd_fields=[OddField(*odd) for odd in intake.devices.odd_fields(20)],
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
    """An event's document, its original request, or one of its pictures; raises Missing and Trouble."""
    row = await events.find(house, what)
    read, found = await events.read(house, row)
    try:
        if part == "document":
            return Response(read.document(row.sequence), media_type="application/json")
        if part == "original":
            original = read.original()
            return Response(await original.read(), media_type="application/octet-stream", headers=AS_FILE)
        number = part.removeprefix("picture/")
        if number.isdecimal() and int(number) < len(found.pictures):
            picture = found.pictures[int(number)]
            return Response(await picture.read(), media_type=picture.media_type, headers=NOT_GUESSED)
    except OSError as error:
        raise Trouble(f"event {row.id}: {error.strerror or error}") from error
    except PictureLost as error:
        raise Missing(str(error)) from error
    raise Missing(f"event {row.id} has no {part}; it has {len(found.pictures)} pictures, counted from 0")
