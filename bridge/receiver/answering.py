"""How an answer leaves: its head and its body at once. uvicorn takes two messages for that, and two system calls."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from bridge.normalizer import Answer

_REMEMBERED: Final = 64


async def send_answer(cycle: RequestResponseCycle, answer: Answer, *, last: bool = False) -> None:
    """Answer a request, once the peer has room for it. `last`: nothing more is taken on this connection.

    Raises ValueError where the answer's media type is none that a header could have.
    """
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.keep_alive = cycle.keep_alive and not last
    head = _head(answer.status, answer.content_type, answer.retry_after, cycle.keep_alive)
    lines = [name + b": " + value + b"\r\n" for name, value in cycle.default_headers]
    body = b"" if cycle.scope["method"] == "HEAD" else answer.body
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    if not cycle.transport.is_closing():
        cycle.transport.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (head, b"".join(lines), len(answer.body), body))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


def whole_answer(answer: Answer) -> bytes:
    """The last answer of a connection, to what was no request."""
    head = _head(answer.status, answer.content_type, answer.retry_after, keep_alive=False)
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(answer.body), answer.body)


@lru_cache(_REMEMBERED)
def _head(status: int, content_type: str, retry_after: int, keep_alive: bool) -> bytes:
    """The lines that are the same for many answers."""
    if not content_type.isprintable():
        raise ValueError(f"{content_type!r} is no media type")
    head = STATUS_LINE[status] + b"content-type: " + content_type.encode("latin-1") + b"\r\n"
    if retry_after:
        head += b"retry-after: %d\r\n" % retry_after
    return head if keep_alive else head + b"connection: close\r\n"
