"""A real web server in a thread, which keeps what it is sent."""

from __future__ import annotations

import queue
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

from msgspec import Struct

from bridge.testing.ports import HOST


class Received(Struct, frozen=True):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class WebServer:
    """Answers every POST with `status`."""

    def __init__(self) -> None:
        received: queue.Queue[Received] = queue.Queue()
        self.received = received
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.put(Received(self.path, headers, body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the standard library's name
                """Keep the test's output for the test."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self._server.server_port}/hooks/alarm"

    def wait(self, within: float = 20) -> Received:
        """The next request."""
        return self.received.get(timeout=within)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
