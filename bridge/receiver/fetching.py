"""Pictures that a push only names by address: fetched before it is stored, for an event's document is made once.

The device waits for its answer meanwhile, so there is little time; what does not come in it is left out, and said. From
where, is for the normalizer to allow. The library that is asked follows no redirect, and knows of no proxy.
"""

from __future__ import annotations

import asyncio
import string
from typing import Final
from urllib.parse import quote
from weakref import WeakValueDictionary

import structlog

from bridge.event import shortened
from bridge.formats import NO_PICTURE, media_type
from bridge.normalizer import Parsed, Push
from bridge.repeats import Repeats

SECONDS: Final = 2.0
"""For all pictures of a push."""
MOST: Final = 8
"""Pictures of one push."""
AT_ONCE: Final = 4
"""Pushes whose pictures are fetched at the same time, each of another sender; others wait, within their time."""


class NotFetched(Exception):
    """What stands at an address can't be had, or is no picture; the text says why."""


class Fetching:
    """Fetches what pushes name."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Whose turn it is at each address: a box that is silent costs others nothing."""
        self._repeats = Repeats(structlog.get_logger("boxbridge.receiver"))

    async def pictures(self, push: Push, parsed: Parsed, limit: int) -> dict[str, bytes]:
        """The pictures by their addresses, of at most `limit` bytes in all; those that can't be had are missing."""
        fetched: dict[str, bytes] = {}
        address = parsed.wanted[0]
        turn = self._turns.setdefault(push.peer, asyncio.Lock())
        try:
            async with asyncio.timeout(SECONDS), turn, self._room:
                for address in parsed.wanted[:MOST]:
                    await self._fetch(address, fetched, limit, push, parsed)
        except TimeoutError:
            self._tell(push, parsed, address, f"it did not come within {SECONDS:g} s")
        if len(parsed.wanted) > MOST:
            self._tell(push, parsed, parsed.wanted[MOST], f"a push may name {MOST} of them")
        return fetched

    async def _fetch(self, address: str, fetched: dict[str, bytes], limit: int, push: Push, parsed: Parsed) -> None:
        try:
            fetched[address] = await picture_at(address, limit - sum(map(len, fetched.values())))
        except NotFetched as error:
            self._tell(push, parsed, address, str(error))

    def _tell(self, push: Push, parsed: Parsed, address: str, reason: str) -> None:
        picture = shortened(address.partition("?")[0])
        self._repeats.warn("a picture could not be fetched", push.peer, reason, device=parsed.device, peer=push.peer,
                           picture=picture, reason=reason)  # fmt: skip


async def picture_at(address: str, limit: int) -> bytes:
    """The picture at an address, of at most so many bytes; raises NotFetched."""
    import httpcore2  # noqa: PLC0415 - megabytes, which hardly any installation needs here

    data = bytearray()
    try:
        url = quote(address, safe=string.punctuation)  # boxes name files in any script
        async with httpcore2.AsyncConnectionPool() as pool, pool.stream("GET", url) as answer:
            if answer.status != 200:
                raise NotFetched(f"it is answered with HTTP {answer.status}")
            async for piece in answer.aiter_stream():
                data += piece
                if len(data) > limit:
                    raise NotFetched("it has more bytes than `max_body` allows")
    except (
        httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, ValueError, OverflowError
    ) as error:  # fmt: skip
        # What follows a colon is the far side's own, as long as it likes.
        raise NotFetched(str(error).partition(":")[0] or type(error).__name__) from error
    if media_type(bytes(data[:16])) == NO_PICTURE:
        raise NotFetched("what stands there is no picture")
    return bytes(data)
