"""The page of the dead letters: by reason, one by one, and what a person wants done with them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control.console.site import Act, Asked, Site, language
from bridge.control.dead import Chosen, drop_dead, list_dead, reasons, retry_dead
from bridge.words import say

_PAGE = 50
_MOST_REASONS = 50


def routes(site: Site) -> list[Route]:
    """The page, and the two things that can be done there."""
    house = site.house

    async def show(request: Request, said: str = "") -> Response:
        letters = await list_dead(house, "", _PAGE, after=request.query_params.get("after", ""))
        return site.page(request, "dead", said=said, letters=letters, reasons=reasons(house).most_common(_MOST_REASONS))

    async def retry(request: Request, asked: Asked) -> str:
        done = await retry_dead(house, _chosen(asked))
        return _told(language(request), "dead retried", done.outputs)

    async def drop(request: Request, asked: Asked) -> str:
        done = await drop_dead(house, _chosen(asked))
        return _told(language(request), "dead dropped", done.outputs)

    def form(act: Act) -> Route:
        return Route(f"/dead/{act.__name__}", site.changing(act, show), methods=["POST"])

    return [Route("/dead", site.shown(show)), form(retry), form(drop)]


def _chosen(asked: Asked) -> Chosen:
    """One letter, or all of a reason."""
    event, output = asked.get("event", ""), asked.get("output", "")
    if event:
        return Chosen(events=[event], output=output)
    return Chosen(all=True, output=output, reason=asked.get("reason"))


def _told(lang: str, done: str, outputs: dict[str, int]) -> str:
    return "\n".join(say(lang, done, output=name, count=count) for name, count in outputs.items())
