"""What somebody sees who has nothing but an event's signed address: the event, and no way to anything else."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control import events
from bridge.control.answers import NOT_GUESSED, Missing, Refusal
from bridge.control.console.cards import scene_of
from bridge.control.console.overlay import overlay
from bridge.control.console.site import Site
from bridge.control.numbers import NUMBER
from bridge.event import Event
from bridge.links import Links


class _Ended(Refusal):
    """The address opens nothing."""

    status = 403


def routes(site: Site, links: Links) -> list[Route]:
    """The page and its pictures."""

    async def event_of(request: Request) -> Event:
        what = request.path_params["what"]
        if not links.opens(what, request.query_params.get("s", "")):
            raise _Ended("this link is not good any more: ask for another one")
        row = await events.find(site.house, what)
        return (await events.read(site.house, row))[1]

    async def show(request: Request) -> Response:
        event = await event_of(request)
        return site.page(
            request,
            "link",
            event=event,
            overlay=overlay(event),
            scene=scene_of(event),
            signature=request.query_params["s"],
        )

    async def picture(request: Request) -> Response:
        event, number = await event_of(request), request.path_params["number"]
        if number >= len(event.pictures):
            raise Missing(f"event {event.id} has no picture {number}")
        found = event.pictures[number]
        with events.readable(event.id):
            return Response(await found.read(), media_type=found.media_type, headers=NOT_GUESSED)

    return [
        Route("/e/{what}", site.shown(show)),
        Route(f"/e/{{what}}/picture/{NUMBER}", site.shown(picture)),
    ]
