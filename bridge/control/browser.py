"""What stands before the TCP port for people: web pages of others, in a browser on this machine, get nothing done."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.config.address import host_and_port, is_loopback

_READS: Final = ("GET", "HEAD", "OPTIONS")


class NoForeignPages:
    """An application that answers only to names of this machine, and changes nothing for a page from elsewhere.

    A browser here reaches loopback for any page. Its page may have a name that was made to lead here (the Host header
    gives it away), and may send requests that change something without asking (Origin and Sec-Fetch-Site do). Where
    others can reach us by many names, the password stands before all of them, and a browser shows it to no other name.
    """

    def __init__(self, application: ASGIApp, listen: str) -> None:
        self._application = application
        self._host, _ = host_and_port(listen)
        self._at_home = is_loopback(self._host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        why = self._refusal(scope["method"], Headers(scope=scope))
        answer = JSONResponse({"error": why}, 403) if why else self._application
        await answer(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> str:
        """Why the request is not for us; empty where it is."""
        host = headers.get("host", "")
        name = _host_name(host)
        if self._at_home and name != self._host and not is_loopback(name):
            return f'this is not "{host}": ask for localhost, 127.0.0.1 or the address in control.listen'
        if method in _READS:
            return ""
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "a page from elsewhere may change nothing here"
        if headers.get("origin", f"http://{host}") not in (f"http://{host}", f"https://{host}"):
            return f"a page of {headers['origin']} may change nothing here"
        return ""


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # such as a bracket alone
        return ""
