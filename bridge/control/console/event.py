"""The page of one event: its picture, its whole story, what came in and what went out, and delivering it again."""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.config.address import from_here
from bridge.control import events, story
from bridge.control.answers import Refusal
from bridge.control.console.cards import scene_of
from bridge.control.console.overlay import overlay
from bridge.control.console.site import Asked, Site, language
from bridge.control.dead import Chosen, retry_dead
from bridge.control.replays import begin_one
from bridge.control.session import session_of
from bridge.figures import as_bytes
from bridge.journal import questions
from bridge.journal.questions import EventRow
from bridge.output import Original
from bridge.words import say
from bridge.words.bodies import beginning
from bridge.words.telling import Teller

_SHOWN_CHARACTERS: Final = 100_000


def routes(site: Site) -> list[Route]:
    """The page, and what can be done to an event there."""
    house = site.house

    async def show(request: Request, said: str = "") -> Response:
        row = await events.find(house, request.path_params["what"])
        told = await story.tell(house, row.id)
        before, after = await house.journal.ask(lambda index: questions.neighbours(index, row))
        facts = msgspec.to_builtins(told)
        teller = Teller(facts, language(request))
        seen = {"event": None} if told.lost else await _seen(request, site, row)
        return site.page(request, "event", said=said, story=facts, teller=teller, before=before, after=after, **seen)

    async def retry(request: Request, asked: Asked) -> str:
        done = await retry_dead(house, Chosen(events=[request.path_params["what"]], output=asked.get("output", "")))
        lang = language(request)
        return "\n".join(say(lang, "dead retried", output=name, count=count) for name, count in done.outputs.items())

    async def replay(request: Request, asked: Asked) -> str:
        output = asked.get("output", "")
        if output not in house.settings.output:
            raise Refusal(f'there is no output "{output}": there are {", ".join(house.settings.output) or "none"}')
        await begin_one(house, request.path_params["what"], output)
        return say(language(request), "page replayed", output=output)

    return [
        Route("/events/{what}", site.shown(show)),
        Route("/events/{what}/retry", site.changing(retry, show), methods=["POST"]),
        Route("/events/{what}/replay", site.changing(replay, show), methods=["POST"]),
    ]


async def _seen(request: Request, site: Site, row: EventRow) -> dict[str, Any]:
    """What there is of an event besides its story."""
    record, event = await events.read(site.house, row)
    scene = scene_of(event)
    document, goes_on = await asyncio.to_thread(_readable, record.document(row.sequence))
    return {
        "event": event,
        "overlay": overlay(event),
        "scene": scene,
        "link": site.house.links.to(row.id),
        "others": [number for number in range(len(event.pictures)) if number != scene],
        "document": document,
        "document_goes_on": goes_on,
        "original": _original(record.original(), language(request)),
        "curl": _curl(request, site, row.id, record.original()),
    }


def _readable(document: bytes) -> tuple[str, bool]:
    """The document as people read it, as much of it as anybody reads, and whether it goes on; it takes its time."""
    text = json.dumps(json.loads(document), ensure_ascii=False, indent=2)
    return text[:_SHOWN_CHARACTERS], len(text) > _SHOWN_CHARACTERS


def _original(original: Original, lang: str) -> dict[str, Any]:
    """The request as people read it: of a picture only how large it is."""
    parts = [part if isinstance(part, bytes) else f"({as_bytes(part.size)})".encode() for part in original.parts]
    text, goes_on = beginning(b"".join(parts), lang)
    query = f"?{original.query}" if original.query else ""
    return {
        "line": f"{original.method} {original.path}{query}",
        "media_type": original.content_type,
        "text": text,
        "goes_on": goes_on,
    }


def _curl(request: Request, site: Site, event: str, original: Original) -> str:
    """A command that pushes the same request again."""
    server = site.house.settings.server
    token = "/<token>" if server.token else ""
    query = f"?{original.query}" if original.query else ""
    target = f"{'https' if server.cert else 'http'}://{from_here(server.listen)}{token}{original.path}{query}"
    there = f"{str(request.base_url).rstrip('/')}/api/v1/events/{event}/original"
    password = ["-u", "boxbridge"] if session_of(request) else []
    header = ["-H", f"Content-Type: {original.content_type}"] if original.content_type else []
    get = shlex.join(["curl", "-fsS", *password, there])
    return f"{get} | {shlex.join(['curl', *header, '--data-binary', '@-', target])}"
