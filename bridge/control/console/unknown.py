"""The pages of what nothing understood: what came, why it was refused, a mapping for it, and trying it again."""

from __future__ import annotations

import asyncio
from datetime import tzinfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.config import toml
from bridge.control.answers import Missing
from bridge.control.console.site import Asked, Site, language
from bridge.control.numbers import NUMBER, is_number
from bridge.control.unknown import Chosen, body_of, find_unknown, list_unknown, try_again
from bridge.normalizer import Malformed
from bridge.protocols.propose import propose
from bridge.receiver.unknown import NotUnderstood
from bridge.words import say
from bridge.words.bodies import beginning


def routes(site: Site) -> list[Route]:
    """The list, one of it, and trying again."""
    house = site.house

    async def show(request: Request, said: str = "") -> Response:
        return site.page(request, "unknown", said=said, pushes=await list_unknown(house))

    async def one(request: Request) -> Response:
        push = await find_unknown(house, request.path_params["number"])
        body = await body_of(house, push)
        text, goes_on = beginning(body, language(request))
        mapping, reason = await asyncio.to_thread(_mapping, push, body, house.settings.timezone)
        return site.page(request, "captured", push=push, text=text, goes_on=goes_on, mapping=mapping, no_mapping=reason)

    async def retry(request: Request, asked: Asked) -> str:
        tried = await try_again(house, _chosen(asked))
        lang = language(request)
        return "\n".join(
            say(
                lang,
                "understood" if one.understood else "not understood",
                number=one.number,
                peer=one.peer,
                answer=one.answer,
            )
            for one in tried
        )

    return [
        Route("/unknown", site.shown(show)),
        Route("/unknown/retry", site.changing(retry, show), methods=["POST"]),
        Route(f"/unknown/{NUMBER}", site.shown(one)),
    ]


def _chosen(asked: Asked) -> Chosen:
    """One push, or all of them."""
    number = asked.get("number", "")
    if not number:
        return Chosen(all=True)
    if not is_number(number):
        raise Missing(f"there is no push {number} that was not understood: boxbridge unknown list")
    return Chosen(numbers=[int(number)])


def _mapping(push: NotUnderstood, body: bytes, zone: tzinfo) -> tuple[str, str]:
    """A [protocol.NAME] that would read the body, or why there is none."""
    try:
        table = propose(body, push.path, push.received, zone)
    except Malformed as error:
        return "", str(error)
    return "\n".join(toml.table(("protocol", "vendor"), table)), ""
