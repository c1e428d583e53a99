"""The page of the devices: who pushes, since when not, how its clock is, and what is odd about it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control.console.site import Asked, Site, language
from bridge.control.devices import forget_device, list_devices
from bridge.words import say

_CLOCK_SECONDS = 10.0
"""A clock that is off by less is right enough."""
_PAGE = 200
_FIELDS = 10


def routes(site: Site) -> list[Route]:
    """The page, and forgetting a device."""
    house = site.house

    async def show(request: Request, said: str = "") -> Response:
        devices = list_devices(house)
        after = request.query_params.get("after", "")
        left = (
            devices
            if not after
            else [device for device in devices if _place(device.last_seen.timestamp(), device.id) < after]
        )
        shown = left[:_PAGE]
        return site.page(
            request,
            "devices",
            said=said,
            is_first=not after,
            devices=shown,
            clock_seconds=_CLOCK_SECONDS,
            after=_place(shown[-1].last_seen.timestamp(), shown[-1].id) if len(shown) < len(left) else "",
            fields={device.id: sorted(device.fields.items(), key=lambda odd: -odd[1])[:_FIELDS] for device in shown},
        )

    async def forget(request: Request, asked: Asked) -> str:
        forget_device(house, asked.get("id", ""))
        return say(language(request), "device forgotten", id=asked["id"])

    return [
        Route("/devices", site.shown(show)),
        Route("/devices/forget", site.changing(forget, show), methods=["POST"]),
    ]


def _place(seen: float, id_: str) -> str:
    """Where a device stands in the list, the last seen first."""
    return f"{seen:017.6f},{id_}"
