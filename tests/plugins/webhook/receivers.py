"""Far sides of a webhook, a real one that keeps what it is sent and hostile ones; and the output that posts to them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import OutputContext
from bridge_webhook.options import WebhookOptions
from bridge_webhook.output import Webhook


class Received:
    """One request as it arrived."""

    def __init__(self, request: Request, body: bytes) -> None:
        self.headers = dict(request.headers)
        self.target = request.url.path
        query = request.scope["query_string"].decode()
        self.raw = request.scope["raw_path"].decode() + (f"?{query}" if query else "")
        self.body = body
        assert request.client is not None
        self.peer = request.client.port


class Receiver:
    """An ordinary web service. `answer` is what it says next."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer = Response(status_code=204)
        self.port = 0

    def url(self, path: str = "/hooks/alarm", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    async def take(self, request: Request) -> Response:
        self.requests.append(Received(request, await request.body()))
        return self.answer

    @contextmanager
    def serving(self, **options: Any) -> Iterator[Receiver]:
        """Serve for a while, at the same port each time."""
        application = Starlette(routes=[Route("/{path:path}", self.take, methods=["POST"])])
        config = uvicorn.Config(application, lifespan="off", log_config=None, **options)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            self.port = listening.getsockname()[1]
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield self
            finally:
                server.should_exit = True
                thread.join()


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def hostile(conversation: Conversation, *, at_once: bool = False) -> AsyncIterator[str]:
    """A far side that does as this function says once a request's headers have arrived, or before; gives its URL."""
    talking: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            if not at_once:
                await reader.readuntil(b"\r\n\r\n")
            await conversation(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking)
        await server.wait_closed()


def webhook_to(url: str, **options: Any) -> Webhook:
    """A webhook output that is not open yet."""
    settings = WebhookOptions(url=url, **options)
    context = OutputContext(name="erp", options=settings, site="plant-a", data=Path(), timezone=UTC, version="1.2.3")
    return Webhook(context)


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Webhook]:
    """A webhook output for a while."""
    output = webhook_to(url, **options)
    await output.open()
    try:
        yield output
    finally:
        await output.close()
