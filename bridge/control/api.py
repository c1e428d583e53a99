"""The control listener: a Starlette application for people and monitoring, on a unix socket and on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

from msgspec.structs import asdict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.control import around, dead, devices, events, outputs, replays, story, trial, unknown, watching
from bridge.control.answers import AS_FILE, NOT_GUESSED, Missing, answering, json, text
from bridge.control.door import Doorkeeper
from bridge.control.house import House
from bridge.control.numbers import is_number
from bridge.control.scrape import scraped
from bridge.control.status import status_of
from bridge.errors import BridgeError

_EVENTS = "/api/v1/events/"
_LASTING = {"Cache-Control": "private, max-age=3600"}
"""An event's pictures never change; a page that is looked at again need not fetch them all."""


def application(house: House, pages: Pages) -> Starlette:
    """The application for a running daemon."""

    async def livez(_: Request) -> Response:
        return text("ok")

    async def readyz(request: Request) -> Response:
        problems = _problems(house)
        verbose = "\n".join(problems) if "verbose" in request.query_params else ""
        return text(verbose or ("not ready" if problems else "ok"), 503 if problems else 200)

    async def metrics_page(_: Request) -> Response:
        return Response(await scraped(house), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def status(_: Request) -> Response:
        return json(status_of(house))

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

    application = Starlette(
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
            *watching.routes(house),
            *unknown.routes(house),
            Route(_EVENTS + "{what:path}", answering(event)),
        ]
    )
    application.router.default = pages
    return application


class Pages:
    """The console, loaded in a thread: it costs megabytes, and a fifth of a second that no event is to wait for.

    Not at a lower priority: a thread that waits for a processor may have the interpreter, and then all wait with it.
    """

    def __init__(self, house: House, keeper: Doorkeeper) -> None:
        self._house = house
        self._keeper = keeper
        self._pages: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        application = await self.load()
        await application(scope, receive, send)

    async def load(self) -> ASGIApp:
        """Load them where they are not yet."""
        async with self._loading:
            self._pages = self._pages or (await asyncio.to_thread(self._import))()
            return self._pages

    def _import(self) -> Callable[[], ASGIApp]:
        from bridge.control.console.pages import pages  # noqa: PLC0415 - as said above
        from bridge.control.console.site import Site  # noqa: PLC0415

        return partial(pages, Site(self._house, self._keeper.sessions), self._keeper)


def _problems(house: House) -> list[str]:
    """Why the daemon can't do its work now; outputs that are away are no reason: their events wait."""
    closed = house.journal.closed_because
    return [f"journal: {closed}"] if closed else []


async def _event(house: House, what: str, part: str) -> Response:
    """An event's document, its original request, or one of its pictures; raises Missing and Trouble."""
    row = await events.find(house, what)
    read, found = await events.read(house, row)
    with events.readable(row.id):
        if part == "document":
            return Response(read.document(row.sequence), media_type="application/json")
        if part == "original":
            original = read.original()
            return Response(await original.read(), media_type="application/octet-stream", headers=AS_FILE)
        number = part.removeprefix("picture/")
        if is_number(number) and int(number) < len(found.pictures):
            picture = found.pictures[int(number)]
            return Response(await picture.read(), media_type=picture.media_type, headers=NOT_GUESSED | _LASTING)
    wanted = part.replace("/", " ")
    raise Missing(f"event {row.id} has no {wanted}; its pictures, counted from 0: {len(found.pictures)}")
