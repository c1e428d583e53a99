"""The door to the port for people: who comes over the network shows a password, or the session that it began.

On loopback nobody is asked, unless the configuration has a password: a proxy on this machine brings anybody.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import time
from typing import Final
from urllib.parse import urlencode, urlsplit

import pybase64
import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.config.address import host_and_port, is_loopback
from bridge.config.password import proves
from bridge.control.answers import json
from bridge.control.house import House
from bridge.control.session import COOKIE, SESSION, Sessions

log = structlog.get_logger("boxbridge.control")

_OPEN: Final = ("/login", "/livez")
_OPEN_BELOW: Final = ("/static/", "/e/")
"""Links to events bring a signature of their own."""
_READS: Final = ("GET", "HEAD")
_FREE_TRIES: Final = 5
"""Wrong passwords of one address that cost it no wait,"""
_LONGEST_WAIT: Final = 60.0
"""and the seconds that the wait doubles up to."""
_MOST_PEERS: Final = 1000
_MOST_TRYING: Final = 8
"""Passwords that may be looked at at once: each takes 32 MB, and they take turns."""


class WrongPassword(Exception):
    """It is not the password."""


class TooMany(Exception):
    """Too many wrong passwords came; the argument says for how many seconds none is looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = max(1, round(seconds))


class Doorkeeper:
    """Knows the password in force, who may try it, and who is in."""

    def __init__(self, house: House) -> None:
        self.sessions = Sessions()
        self._house = house
        self._hash = ""
        self._shown: set[bytes] = set()
        """Digests of the headers that proved the password: a program shows its own with every request."""
        self._wrong: dict[str, tuple[int, float]] = {}
        """How many wrong ones an address tried, and until when it waits."""
        self._trying = 0
        self._turn = asyncio.Lock()

    @property
    def password(self) -> str:
        """The hash in force; empty where there is none. Another one ends all sessions."""
        secret = self._house.settings.control.password
        now = secret.reveal() if secret else ""
        if now != self._hash:
            self._hash = now
            self._shown.clear()
            self.sessions.end_all()
        return now

    async def try_password(self, password: str, peer: str) -> None:
        """Look at a password; raises WrongPassword and TooMany."""
        count, until = self._wrong.get(peer, (0, 0.0))
        left = until - time.monotonic()
        if left > 0 or self._trying >= _MOST_TRYING:
            raise TooMany(max(left, 1.0))
        wanted = self.password
        self._trying += 1
        try:
            async with self._turn:
                proven = bool(wanted) and await asyncio.to_thread(proves, password, wanted)
        finally:
            self._trying -= 1
        if proven:
            self._wrong.pop(peer, None)
            return
        self._note_wrong(peer, self._wrong.get(peer, (count, 0.0))[0] + 1)
        raise WrongPassword

    def _note_wrong(self, peer: str, count: int) -> None:
        while len(self._wrong) >= _MOST_PEERS:
            del self._wrong[next(iter(self._wrong))]
        wait = min(_LONGEST_WAIT, 2.0 ** (count - _FREE_TRIES)) if count >= _FREE_TRIES else 0.0
        self._wrong.pop(peer, None)
        self._wrong[peer] = count, time.monotonic() + wait
        log.warning("wrong password for the console", peer=peer, count=count)

    async def shows_password(self, request: Request) -> bool:
        """Whether a program shows the password with its request; raises TooMany."""
        header = request.headers.get("authorization", "")
        scheme, _, shown = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        digest = hashlib.sha256(f"{self.password}\n{shown}".encode()).digest()
        if digest in self._shown:
            return True
        try:
            _, _, password = pybase64.b64decode(shown, validate=True).decode().partition(":")
            await self.try_password(password, peer_of(request))
        except (binascii.Error, UnicodeDecodeError, WrongPassword):
            return False
        if len(self._shown) < _MOST_PEERS:
            self._shown.add(digest)
        return True


class PasswordDoor:
    """An application behind the door."""

    def __init__(self, application: ASGIApp, keeper: Doorkeeper, listen: str) -> None:
        self._application = application
        self._keeper = keeper
        self._at_home = is_loopback(host_and_port(listen)[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say what is missing."""
        request = Request(scope)
        answer: ASGIApp = self._application
        try:
            if not (self._is_open(request) or await self._keeper.shows_password(request)):
                answer = _who_is_there(request)
        except TooMany as refused:
            error = f"too many wrong passwords: again in {refused.seconds} s"
            answer = json({"error": error}, 429, {"Retry-After": str(refused.seconds)})
        await answer(scope, receive, send)

    def _is_open(self, request: Request) -> bool:
        """Whether nobody has to be asked, or somebody was."""
        if not self._keeper.password and self._at_home:
            return True
        path, session = request.url.path, request.cookies.get(COOKIE, "")
        if self._keeper.sessions.use(session):
            request.scope[SESSION] = session
            # A form of ours brings its token; a change through the API has none, so the cookie alone is not enough.
            return request.method in _READS or not path.startswith("/api/")
        return path in _OPEN or path.startswith(_OPEN_BELOW)


def _who_is_there(request: Request) -> Response:
    headers = request.headers
    if request.method in _READS and "text/html" in headers.get("accept", ""):
        return RedirectResponse(_login(str(request.url)), 303)
    needed = "the password of [control] is needed: as HTTP basic authentication, with any user name"
    if "hx-request" in headers:  # a part of a page whose session is over
        return json({"error": needed}, 401, {"HX-Redirect": _login(headers.get("hx-current-url", "/"))})
    if headers.get("user-agent", "").startswith("Mozilla/"):  # it would ask for the password itself, above our page
        return json({"error": needed}, 401)
    return json({"error": needed}, 401, {"WWW-Authenticate": 'Basic realm="boxbridge"'})


def _login(address: str) -> str:
    """The way to the password, and from there to an address of ours."""
    there = urlsplit(address)
    return f"/login?{urlencode({'next': f'{there.path}?{there.query}'.rstrip('?')})}"


def peer_of(request: Request) -> str:
    """The address that a request came from; empty over the unix socket."""
    return request.client.host if request.client else ""
