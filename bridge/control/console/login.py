"""Signing in and out."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.control.console.site import Site, form, language
from bridge.control.door import Doorkeeper, TooMany, WrongPassword, peer_of
from bridge.control.session import COOKIE, session_of
from bridge.words import say

_OWN_PATH: Final = re.compile(r"/(?:[\w.~%,:=&?+-][\w.~%,:=&?+/-]*)?", re.ASCII)
"""A place on these pages, and never on another host's."""


def routes(site: Site, keeper: Doorkeeper) -> list[Route]:
    """The page with the password, and the way out."""

    def page(request: Request, there: str, status: int = 200, said: str = "") -> Response:
        return site.page(request, "login", status, said=said, there=there)

    async def show(request: Request) -> Response:
        return page(request, request.query_params.get("next", "/"))

    async def sign_in(request: Request) -> Response:
        asked, lang = await form(request), language(request)
        there = asked.get("next", "/")
        if not keeper.sessions.is_token(session_of(request), asked.get("token", "")):
            return page(request, there, 403, say(lang, "page token"))
        try:
            await keeper.try_password(asked.get("password", ""), peer_of(request))
        except TooMany as refused:
            answer = page(request, there, 429, say(lang, "page too many", seconds=refused.seconds))
            answer.headers["Retry-After"] = str(refused.seconds)
            return answer
        except WrongPassword:
            return page(request, there, 403, say(lang, "page wrong password"))
        answer = RedirectResponse(there if _OWN_PATH.fullmatch(there) else "/", 303)
        answer.set_cookie(COOKIE, keeper.sessions.begin(), httponly=True, samesite="strict")
        return answer

    async def sign_out(request: Request) -> Response:
        session = session_of(request)
        if keeper.sessions.is_token(session, (await form(request)).get("token", "")):
            keeper.sessions.end(session)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return [
        Route("/login", show),
        Route("/login", sign_in, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
    ]
