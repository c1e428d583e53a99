"""A real HTTP service that an output may post to; it can be cut off, frozen, and made to refuse."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

_HOST = "127.0.0.1"


class Request(Struct, frozen=True, kw_only=True):
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    """Of several values with one name, the last."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class HttpService:
    """Serves on a port of its own from the start on, until `stop`. `status`: what it answers."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[Request] = []
        """What was answered, or is about to be, in the order of arrival."""
        self._quick = threading.Event()
        self._quick.set()
        self._server: _Server | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{_HOST}:{self.port}"

    def start(self) -> None:
        """Be there; again at the same port as before."""
        if self._server is None:
            self._server = _Server(self.port, self._take)
            self.port = self._server.server_address[1]

    def stop(self) -> None:
        """Be gone, as after a power cut: connections break off, new ones are refused, nothing more is answered."""
        server, self._server = self._server, None
        if server is not None:
            server.end(self._quick)

    def freeze(self) -> None:
        """Take connections and requests, and answer nothing."""
        self._quick.clear()

    def thaw(self) -> None:
        """Answer again, also what waits; whose sender is gone meanwhile is lost, as in a crash."""
        self._quick.set()

    def _take(self, server: _Server, request: Request, sender: socket.socket) -> int | None:
        """Returns the status to answer with; None where there is nobody to answer any more."""
        self._quick.wait()
        if server.ended or _is_gone(sender):
            return None
        if 200 <= self.status < 300:
            self.requests.append(request)
        return self.status


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that `server_close` waits for them
    request_queue_size = 128

    def __init__(self, port: int, take: Any) -> None:
        super().__init__((_HOST, port), _Handler)
        self.take = take
        self.ended = False
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="HTTP service")
        self._thread.start()

    def end(self, quick: threading.Event) -> None:
        """Stop listening and break off each connection; `quick` lets those go on that wait."""
        self.ended = True
        self.shutdown()
        self._thread.join()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        was_frozen = not quick.is_set()
        quick.set()
        self.server_close()
        if was_frozen:
            quick.clear()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever broke off in the middle has its reasons: this is a far side, and no test of it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:  # who sent it broke off
            self.close_connection = True
            return
        target = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=target.path,
            query=dict(parse_qsl(target.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        status = self.server.take(self.server, request, self.connection)
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names that the library looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: what arrived is in `requests`."""


def _is_gone(sender: socket.socket) -> bool:
    try:
        return sender.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
