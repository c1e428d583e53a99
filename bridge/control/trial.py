"""Trying an output out: a marked sample goes the whole way through the running output, past the journal."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from bridge.control.answers import Refusal, Wrong, answering
from bridge.control.house import House
from bridge.control.outputs import cursor_of
from bridge.errors import OutputUnreachable
from bridge.event import encode_document, utc_now
from bridge.normalizer import InMemory, Malformed, Parsed, Push
from bridge.output import Delivery, Original
from bridge.protocols.skill import PATH


class Unreachable(Refusal):
    """The output did not take it."""

    exit_code = OutputUnreachable.exit_code


class Tried(Struct, frozen=True, kw_only=True):
    """The output took the sample."""

    output: str
    event: str
    seconds: float


def routes(house: House) -> list[Route]:
    """Asking for a trial; the body is a push as a box sends it."""

    async def trial(request: Request) -> Tried:
        return await try_out(house, request.path_params["name"], await request.body())

    return [Route("/api/v1/outputs/{name}/test", answering(trial), methods=["POST"])]


async def try_out(house: House, name: str, body: bytes) -> Tried:
    """Deliver the event of a push to one output, marked as a test; raises Missing, Wrong and Unreachable."""
    lane = house.dispatcher.lanes.get(cursor_of(house, name).name)
    if lane is None:
        raise Unreachable(f"output {name} does not run now, so nothing was sent: boxbridge outputs says why")
    delivery = trial_of(body, house.intake.understand, house.settings.site)
    began = time.perf_counter()
    verdict = await lane.try_out(delivery)
    if verdict is None:
        raise Unreachable(f"output {name} is not open now, so nothing was sent: {lane.door.reason or lane.door.state}")
    if verdict.kind != "delivered":
        raise Unreachable(f"output {name} did not take the test event {delivery.event.id}: {verdict.reason}")
    return Tried(output=name, event=delivery.event.id, seconds=time.perf_counter() - began)


def trial_of(body: bytes, understand: Callable[[Push], Parsed], site: str) -> Delivery:
    """The event of a push as a delivery that is marked as a test; raises Wrong."""
    push = Push(
        method="POST",
        path=PATH,
        query="",
        headers={"content-type": "application/json"},
        body=body,
        peer="127.0.0.1",
        received=utc_now(),
    )
    try:
        parsed = understand(push)
    except Malformed as error:
        raise Wrong(f"the body is not what it should be: {error}") from error
    if not parsed.events:
        raise Wrong("the body is not what it should be: it holds no event")
    event = parsed.events[0].with_(site=site).reading_from(InMemory(parsed.pictures))
    document = encode_document(event)
    return Delivery(
        event=event,
        document=document,
        original=Original(push.method, push.path, push.query, "application/json", (body,)),
        test=True,
        size=len(document) + sum(picture.size for picture in event.pictures),
    )
