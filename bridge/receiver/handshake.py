"""The handshake by which a connection becomes a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from bridge.receiver.frames import let_go

HeaderList = Sequence[tuple[bytes, bytes]]

_KEY: Final = b"sec-websocket-key"


class _Server(ServerProtocol):
    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Whatever comes first."""
        return next(iter(subprotocols), None)


def is_handshake(method: bytes, headers: HeaderList) -> bool:
    """Whether a request that offers another protocol means a WebSocket; without a key it is like any other."""
    return method == b"GET" and any(name == _KEY for name, _ in headers)


def answer_handshake(url: bytes, headers: HeaderList, refusal: str) -> tuple[Response, str]:
    """The answer, with status 101 where it is fine, and what is wrong with the handshake where it is not.

    `refusal`: why its sender may not push, "" where it may. No extension is taken. Of the sender's own protocols the
    first is: it speaks one, whatever its name.
    """
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    server = _Server()
    try:
        if refusal:
            return server.reject(HTTPStatus.FORBIDDEN, refusal), refusal
        response = server.accept(Request(url.decode("latin-1"), Headers(texts)))
        return response, str(server.handshake_exc or "")
    finally:
        let_go(server)


def without_offer(method: bytes, url: bytes, headers: HeaderList) -> bytes:
    """The head of a request again, its offer under a name that the parser does not know."""
    lines = [b"%b %b HTTP/1.1" % (method, url)]
    lines += [b"%b: %b" % (b"x-upgrade" if name == b"upgrade" else name, value) for name, value in headers]
    return b"\r\n".join([*lines, b"", b""])
