"""What all answers of the API have in common: JSON out, JSON in, and a sentence with an exit code for a refusal."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bridge.control.house import House
from bridge.errors import BadData, FileTrouble, UsageError
from bridge.journal.journal import JournalUnavailable

NOT_GUESSED: Final = {"X-Content-Type-Options": "nosniff"}
AS_FILE: Final = NOT_GUESSED | {"Content-Disposition": "attachment"}
"""What a device sent may be a page with a script: a browser is to keep it as a file, whatever the device calls it."""
_LARGEST: Final = 4_000_000
"""Bytes of what is asked for; nobody has to ask for more."""
Endpoint = Callable[[Request], Awaitable[Response]]
_Body = TypeVar("_Body")


class Refusal(Exception):
    """It is not done; the text says why, for people."""

    status = 409
    exit_code = 1


class Missing(Refusal):
    """There is no such thing."""

    status = 404
    exit_code = BadData.exit_code


class Wrong(Refusal):
    """It was asked for wrongly."""

    status = 400
    exit_code = UsageError.exit_code


class Trouble(Refusal):
    """The disk does not let it be done now."""

    status = 503
    exit_code = FileTrouble.exit_code


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer for programs."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def text(line: str, status: int = 200) -> Response:
    """An answer for monitoring."""
    return Response(line + "\n", status, media_type="text/plain")


def answering(
    function: Callable[[Request], Awaitable[Any]], refused: Callable[[Refusal], Response] | None = None
) -> Endpoint:
    """An endpoint of a function that returns what is to be answered, as JSON or as it is, or raises a Refusal.

    `refused`: what is answered then; JSON if left out.
    """

    async def endpoint(request: Request) -> Response:
        try:
            with refusing():
                answer = await function(request)
        except Refusal as refusal:
            return (refused or _refused)(refusal)
        return answer if isinstance(answer, Response) else json(answer)

    return endpoint


@contextmanager
def refusing() -> Iterator[None]:
    """Make a Refusal of what the journal or its index does not do now."""
    try:
        yield
    except JournalUnavailable as trouble:
        raise _closed(str(trouble)) from trouble
    except sqlite3.Error as trouble:
        raise Trouble(f"the index can't be asked now: {trouble}") from trouble


def _refused(error: Refusal) -> Response:
    return json({"error": str(error), "exit_code": error.exit_code}, error.status)


def writable(house: House) -> None:
    """See to it that what is to be changed can be brought to disk; raises Trouble."""
    closed = house.journal.failed_because
    if closed:
        raise _closed(closed)


@contextmanager
def kept() -> Iterator[None]:
    """Say so where what is done within could not be brought to disk; raises Trouble."""
    try:
        yield
    except JournalUnavailable as error:
        raise Trouble(f"it is done, but lost in a crash until the journal can be written again: {error}") from error


def _closed(reason: str) -> Trouble:
    return Trouble(f"the journal takes nothing now: {reason}")


async def body(request: Request, type_: type[_Body]) -> _Body:
    """What a POST asks for; raises Wrong."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _LARGEST:
            raise Wrong(f"the body has more than {_LARGEST} bytes")
    try:
        return msgspec.json.decode(content, type=type_)
    except msgspec.DecodeError as error:
        raise Wrong(f"the body is not what it should be: {error}") from error
