"""All pages of the console, as one application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from bridge.control.console import dead, devices, event, link, live, login, outputs, system, unknown
from bridge.control.console.site import STATIC, Framed, Site, language
from bridge.control.console.timings import Timings
from bridge.control.door import Doorkeeper
from bridge.words import say


class _Lasting(StaticFiles):
    """Files whose addresses change with their content, so that a browser asks once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def pages(site: Site, keeper: Doorkeeper) -> ASGIApp:
    """The application; it listens to deliveries from now on."""
    timings = Timings()
    site.house.plugins.register(timings, "page timings")
    rooms = (event, devices, outputs, dead, unknown, system)
    routes = [*live.routes(site, timings), *(route for room in rooms for route in room.routes(site))]
    routes += [*login.routes(site, keeper), *link.routes(site, site.house.links)]
    routes.append(Mount("/static", _Lasting(directory=STATIC)))

    async def nothing_there(request: Request, _: Exception) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("Not Found", 404)
        return site.page(request, "refused", 404, reason=say(language(request), "page nothing there"))

    async def fault(request: Request, _: Exception) -> Response:
        return site.page(request, "refused", 500, reason=say(language(request), "page fault"))

    return Framed(Starlette(routes=routes, exception_handlers={404: nothing_there, Exception: fault}))
