"""Who may push: addresses of the networks that are allowed, and senders that show the token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from bridge.config.settings import ServerSettings
from bridge.networks import Networks

FOREIGN: Final = "not allowed: the address is in none of the networks of `server.allow`"
NO_TOKEN: Final = "not allowed: the token of `server.token` is missing or wrong"  # noqa: S105 - no token but a sentence
_PARAMETER: Final = "token"
_BEARER: Final = b"bearer "


class Admission:
    """Decides on requests by their ASGI scope, and takes the token out of it: nobody behind sees one."""

    def __init__(self, server: ServerSettings) -> None:
        self._networks = Networks(server.allow)
        self._token = server.token.reveal().encode() if server.token else b""

    def refusal(self, scope: MutableMapping[str, Any]) -> str:
        """Why a request is not taken, "" where it is."""
        if self._networks and (scope["client"][0] if scope["client"] else "") not in self._networks:
            return FOREIGN
        return "" if not self._token or self._takes_token(scope) else NO_TOKEN

    def _takes_token(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether the token is shown: in the path's first part, as a parameter, or as a bearer's."""
        shown = self._in_header(scope["headers"])
        first, _, rest = scope["path"][1:].partition("/")
        if self._is_token(first.encode("utf-8", "surrogatepass")):
            scope["path"] = f"/{rest}"
            shown = True
        parameters = scope["query_string"].split(b"&")
        kept = [parameter for parameter in parameters if not _names_token(parameter)]
        if len(kept) < len(parameters):
            given = parse_qsl(scope["query_string"].decode("latin-1"))
            shown = any(self._is_token(value.encode()) for name, value in given if name == _PARAMETER) or shown
            scope["query_string"] = b"&".join(kept)
        return shown

    def _in_header(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        given = (value for name, value in headers if name == b"authorization")
        return any(
            value[: len(_BEARER)].lower() == _BEARER and self._is_token(value[len(_BEARER) :]) for value in given
        )

    def _is_token(self, text: bytes) -> bool:
        return hmac.compare_digest(text, self._token)


def _names_token(parameter: bytes) -> bool:
    return unquote(parameter.partition(b"=")[0].decode("latin-1")) == _PARAMETER
