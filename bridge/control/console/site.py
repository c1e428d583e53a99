"""The frame of all pages: templates, the reader's language, and what every answer carries.

It is imported in a thread, and only where there is somebody to look: templates cost megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.control.answers import Endpoint, Refusal, answering, refusing
from bridge.control.house import House
from bridge.control.session import Sessions, session_of
from bridge.errors import BridgeError
from bridge.figures import as_bytes
from bridge.words import LANGUAGES, ago, room, say, span, translated

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
_LANGUAGE: Final = "boxbridge-language"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # No referrer for others. With "no-referrer" a browser would not say either that a form is of our own page.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_LARGEST_FORM: Final = 100_000
_NAVIGATION: Final = ("live", "devices", "outputs", "dead", "unknown", "system")

Asked = dict[str, str]
"""The fields of a form or an address."""
Page = Callable[[Request], Awaitable[Response]]
Act = Callable[[Request, Asked], Awaitable[str]]
"""Does what a form asks for and says what came of it; raises Refusal, BridgeError."""


class Site:
    """Renders pages for one daemon."""

    def __init__(self, house: House, sessions: Sessions) -> None:
        self.house = house
        self.sessions = sessions
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # of a version that is just being installed they would not be those of this code
        )
        self._templates.globals |= {"navigation": _NAVIGATION, "stamp": _stamp(), "languages": LANGUAGES}
        self._templates.filters |= {"bytes": as_bytes, "segment": partial(quote, safe="")}
        for name in self._templates.list_templates():
            self._templates.get_template(name)  # compiled here, in a thread, and not on the event loop

    def page(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        """One page, in the reader's language."""
        lang = language(request)
        session = session_of(request)
        text = self.fragment(
            lang,
            f"{name}.html",
            page=name,
            token=self.sessions.token(session),
            signed_in=bool(session),
            site=self.house.settings.site,
            said=values.pop("said", ""),
            asked_for="".join(f"{urlencode([one])}&" for one in request.query_params.multi_items()),
            **values,
        )
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def fragment(self, lang: str, template: str, **values: Any) -> str:
        """A part of a page."""
        words = {
            "lang": lang,
            "t": partial(say, lang),
            "translated": partial(translated, lang),
            "ago": partial(ago, lang),
            "room": partial(room, lang),
            "span": partial(span, lang),
            "local": self.local,
        }
        return self._templates.get_template(template).render(words | values)

    def local(self, when: datetime) -> str:
        """A time as people there read it."""
        return f"{when.astimezone(self.house.settings.timezone):%Y-%m-%d %H:%M:%S}"

    def shown(self, show: Page) -> Endpoint:
        """An endpoint of a function that makes a page; a refusal becomes a page that says why."""

        async def endpoint(request: Request) -> Response:
            return await answering(show, self._refused(request))(request)

        return endpoint

    def changing(self, act: Act, show: Callable[..., Awaitable[Response]]) -> Page:
        """An endpoint of a form: it does what is asked, and shows the page as it is then, with what came of it.

        What is refused, or can't be done now, is said on the same page.
        """

        async def endpoint(request: Request) -> Response:
            asked = await form(request)
            if not self.sessions.is_token(session_of(request), asked.get("token", "")):
                return self.page(request, "refused", 403, reason=say(language(request), "page token"))
            try:
                with refusing():
                    said = await act(request, asked)
            except (Refusal, BridgeError) as refusal:
                said = str(refusal)
            return await self.shown(partial(show, said=translated(language(request), said)))(request)

        return endpoint

    def _refused(self, request: Request) -> Callable[[Refusal], Response]:
        def page(refusal: Refusal) -> Response:
            reason = translated(language(request), str(refusal))
            return self.page(request, "refused", refusal.status, reason=reason)

        return page


class Framed:
    """An application whose answers carry the pages' headers, and whose address may ask for a language."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.add_vary_header("Accept-Language")
            await send(message)

        switch = _switched(Request(scope)) if scope["method"] == "GET" else None
        await (switch or self._application)(scope, receive, framed)


def _switched(request: Request) -> Response | None:
    """The way back to a page whose language was chosen."""
    asked = dict(request.query_params)
    lang = asked.pop("lang", "")
    if lang not in LANGUAGES:
        return None
    path = "/" + request.url.path.lstrip("/")  # two slashes would begin another host's address
    there = RedirectResponse(f"{path}?{urlencode(asked)}".rstrip("?"), 303)
    there.set_cookie(_LANGUAGE, lang, max_age=400 * 86400, httponly=True, samesite="lax")
    return there


def language(request: Request) -> str:
    """What the reader chose, else the first that the browser names of those that there are, else English."""
    chosen = request.cookies.get(_LANGUAGE, "")
    return chosen if chosen in LANGUAGES else accepted(request.headers)


def accepted(headers: Headers) -> str:
    """The language that a browser would rather have."""
    wishes: list[tuple[float, int, str]] = []
    for wish in headers.get("accept-language", "").split(","):
        name, _, quality = wish.strip().partition(";q=")
        try:
            wishes.append((-float(quality or 1), len(wishes), name[:2].lower()))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(wishes) if name in LANGUAGES), LANGUAGES[0])


async def form(request: Request) -> Asked:
    """The fields of a form; none where it is larger than any of ours, which then lacks its token."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _stamp() -> str:
    """Stands in the addresses of script and style, so that a browser never has those of another version."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
