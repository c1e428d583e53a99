"""Pushes that nothing understood: what there is, their bytes, and trying them again after a change."""

from __future__ import annotations

from datetime import datetime

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control.answers import AS_FILE, Missing, Trouble, Wrong, answering, body
from bridge.control.house import House
from bridge.control.numbers import NUMBER
from bridge.errors import why
from bridge.normalizer import Answer
from bridge.receiver.unknown import NotUnderstood

log = structlog.get_logger("boxbridge.control")


class UnknownList(Struct, frozen=True, kw_only=True):
    """Pushes that nothing understood, the newest first."""

    timezone: str
    pushes: list[NotUnderstood]


class Chosen(Struct, frozen=True, kw_only=True):
    """Which of them are meant."""

    numbers: list[int] = []
    all: bool = False


class Tried(Struct, frozen=True, kw_only=True):
    """What became of one that was tried again."""

    number: int
    received: datetime
    peer: str
    understood: bool
    status: int
    answer: str
    """As the sender would have got it."""


def routes(house: House) -> list[Route]:
    """Listing them, giving their bytes, and trying them again."""

    async def listed(_: Request) -> UnknownList:
        return UnknownList(timezone=str(house.settings.timezone), pushes=await list_unknown(house))

    async def bytes_(request: Request) -> Response:
        entry = await find_unknown(house, request.path_params["number"])
        content = await body_of(house, entry)
        return Response(content, media_type="application/octet-stream", headers=AS_FILE)

    async def retry(request: Request) -> list[Tried]:
        return await try_again(house, await body(request, Chosen))

    return [
        Route("/api/v1/unknown", answering(listed)),
        Route("/api/v1/unknown/retry", answering(retry), methods=["POST"]),
        Route(f"/api/v1/unknown/{NUMBER}", answering(bytes_)),
    ]


async def try_again(house: House, chosen: Chosen) -> list[Tried]:
    """Take pushes as if they came again; raises Wrong, Missing and Trouble."""
    if bool(chosen.numbers) == chosen.all:
        raise Wrong("say which pushes: numbers, or all")
    entries = await list_unknown(house)
    meant = entries[::-1] if chosen.all else [_one(entries, number) for number in chosen.numbers]
    return [await _try(house, entry) for entry in meant]


async def _try(house: House, entry: NotUnderstood) -> Tried:
    """Have the receiver take it as if it came again; what is understood now is kept no longer."""
    content = await body_of(house, entry)
    try:
        answer = await house.intake.take(entry.as_push(content))
    except Exception:  # a fault of a plugin, most likely of the one that is being tried
        log.exception("push failed", number=entry.number, peer=entry.peer)
        answer = Answer(status=500, body=b"internal error, see the log")
    understood = answer.status < 400
    if understood:
        await house.intake.unknown.forget(entry.number)
    return Tried(
        number=entry.number,
        received=entry.received,
        peer=entry.peer,
        understood=understood,
        status=answer.status,
        answer=answer.body.decode("utf-8", "replace"),
    )


async def list_unknown(house: House) -> list[NotUnderstood]:
    """All of them, the newest first; raises Trouble."""
    try:
        return await house.intake.unknown.entries()
    except OSError as error:
        raise Trouble(f"what was not understood can't be read: {why(error)}") from error


async def find_unknown(house: House, number: int) -> NotUnderstood:
    """One of them; raises Missing and Trouble."""
    return _one(await list_unknown(house), number)


def _one(entries: list[NotUnderstood], number: int) -> NotUnderstood:
    found = next((entry for entry in entries if entry.number == number), None)
    if found is None:
        raise Missing(f"there is no push {number} that was not understood: boxbridge unknown list")
    return found


async def body_of(house: House, entry: NotUnderstood) -> bytes:
    """Its bytes; raises Trouble."""
    try:
        return await house.intake.unknown.body(entry.number)
    except OSError as error:
        raise Trouble(f"push {entry.number} can't be read: {why(error)}") from error
