"""The live page: events as they come, the newest first; before the first one, what is to be typed into the box."""

from __future__ import annotations

import asyncio
from typing import Any, Final, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bridge.control import events
from bridge.control.console import contact
from bridge.control.console.cards import cards_of
from bridge.control.console.feed import PAGE, Feed, View
from bridge.control.console.site import Site, language
from bridge.control.console.timings import Timings
from bridge.journal import questions
from bridge.journal.standing import State

FILTERS: Final = ("device", "kind", "output", "state", "since", "until")
_MOST_NAMES: Final = 200
_STREAM: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def routes(site: Site, timings: Timings) -> list[Route]:
    """The page and what it is told."""
    feed = Feed(site, timings)
    house = site.house

    async def live(request: Request) -> Response:
        asked = _asked(request)
        if house.journal.next == 1:
            return site.page(
                request,
                "first",
                addresses=await asyncio.to_thread(contact.addresses, house.settings),
                contact=contact.contact(house),
            )
        page = await events.page_of(house, asked | {"limit": str(PAGE)})
        after = events.place(page)
        return site.page(
            request,
            "live",
            cards=await cards_of(house, page.events, timings),
            asked=dict.fromkeys(FILTERS, "") | asked,
            choices=await _choices(site),
            is_first="after" not in asked,
            stream=f"live/stream?{urlencode(asked)}",
            older="" if after is None else f"?{urlencode(asked | {'after': after})}",
        )

    async def stream(request: Request) -> Response:
        asked = _asked(request)
        view = View(language(request), tuple(sorted(asked.items())))
        messages = feed.follow(view, request.query_params.get("newest", ""))
        return StreamingResponse(messages, media_type="text/event-stream", headers=_STREAM)

    async def waiting(request: Request) -> Response:
        messages = contact.follow(site, language(request))
        return StreamingResponse(messages, media_type="text/event-stream", headers=_STREAM)

    return [
        Route("/", site.shown(live)),
        Route("/live/stream", stream),
        Route("/live/contact", waiting),
    ]


def _asked(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name in (*FILTERS, "after") and value}


async def _choices(site: Site) -> dict[str, list[Any]]:
    """What can be chosen in the filters."""
    house = site.house
    return {
        "device": await house.journal.ask(lambda index: questions.devices(index, _MOST_NAMES)),
        "kind": sorted({kind for _, kind in house.intake.events}),
        "output": list(house.settings.output),
        "state": list(get_args(State)),
    }
