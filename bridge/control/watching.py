"""Asking to watch live: lines of JSON, for as long as wanted."""

from __future__ import annotations

from typing import get_args

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.control.answers import Refusal, Wrong, answering
from bridge.control.house import House
from bridge.control.tap import Wanted, What


class _Lines(StreamingResponse):
    """What happens, until one has seen enough; whoever goes before is watching no more at once."""

    def __init__(self, house: House, wanted: Wanted, seconds: float | None) -> None:
        zone = {"X-Timezone": str(house.settings.timezone)}
        super().__init__((), headers=zone, media_type="application/x-ndjson")
        self._taps, self._wanted, self._seconds = house.taps, wanted, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the lines."""
        with self._taps.watching(self._wanted, self._seconds) as tap:
            self.body_iterator = tap.read()
            await super().__call__(scope, receive, send)


def routes(house: House) -> list[Route]:
    """Watching, as lines of JSON that end when one has seen enough."""

    async def tap(request: Request) -> Response:
        wanted, seconds = _wanted(request)
        if refusal := house.taps.refusal():
            raise Refusal(refusal)
        return _Lines(house, wanted, seconds)

    return [Route("/api/v1/tap", answering(tap))]


def _wanted(request: Request) -> tuple[Wanted, float | None]:
    query = request.query_params
    what = [one for one in query.get("what", "").split(",") if one] or list(get_args(What))
    if unknown := [one for one in what if one not in get_args(What)]:
        raise Wrong(f'"{unknown[0]}" can\'t be watched: pushes, events and deliveries can')
    named = {name: query.get(name, "") for name in ("device", "kind", "output")}
    return Wanted(what=frozenset(what), **named), _seconds(query["seconds"]) if "seconds" in query else None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):  # nan would break the order of the event loop's timers
        raise Wrong(f'"{text}" is no number of seconds')
    return seconds
