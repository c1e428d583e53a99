"""A request's body, collected as it arrives, without the copies that the server would make, within its bounds."""

from __future__ import annotations

from io import SEEK_END, BytesIO
from typing import Final

from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bridge.receiver.budget import BodyBudget, Broken, Busy, Claim, TooLarge
from bridge.receiver.inflate import inflated

DISCARDED_BYTES: Final = 64_000_000
"""How much of a refused body is read all the same."""


class Body:
    """The body of one request. The protocol feeds it; the application reads it."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self.cycle = cycle
        self._whole = BytesIO()
        self._size = 0
        self._limit = 0
        self._claim: Claim | None = None
        self._refusal: TooLarge | Busy | Broken | None = None

    def feed(self, piece: bytes) -> None:
        """A piece of it arrived."""
        self._size += len(piece)
        if self._refusal is not None:
            self.cycle.message_event.set()
            return
        if self._size == len(piece):
            self._whole = BytesIO(piece)  # which is not copied: most bodies come in one piece
            self._whole.seek(0, SEEK_END)
        else:
            self._whole.write(piece)
        self._count()

    async def read(self, budget: BodyBudget, limit: int, declared: bytes, encoding: bytes) -> bytes:
        """The whole of it, inflated, at most `limit` bytes; raises TooLarge, Busy, Broken or ClientDisconnect.

        It takes room of the budget until `give_back`.
        """
        if declared.isdigit() and int(declared) > limit:
            raise TooLarge(f"too large: the body has {int(declared)} bytes; max_body is {limit}")
        self._limit = limit
        claim = self._claim = budget.claim(self._make_way)
        self._count()
        while self._refusal is None and self.cycle.more_body:
            await self._wait()
        if self._refusal is not None:
            raise self._refusal
        whole = self._whole.getvalue()
        self._whole = BytesIO()
        return settle(claim, whole, encoding, limit)

    def break_off(self, reason: str) -> None:
        """Nothing more of it will come."""
        self._refuse(Broken(reason))

    def give_back(self) -> None:
        """Nothing of it is in memory any more; may be said twice."""
        self._whole = BytesIO()
        if self._claim is not None:
            self._claim.give_back()
            self._claim = None
        if self._refusal is not None:
            self._refusal.__traceback__ = None  # through it, it would hold this body, which holds it

    async def discard(self) -> None:
        """Read on for a while: a sender that is cut off while it still sends never sees the answer."""
        if self.cycle.waiting_for_100_continue:
            return  # it sends nothing unless it is told to
        self._refusal = self._refusal or Busy()
        try:
            while self.cycle.more_body and self._size <= DISCARDED_BYTES and not isinstance(self._refusal, Broken):
                await self._wait()
        except ClientDisconnect:
            return

    async def _wait(self) -> None:
        message = await self.cycle.receive()
        if message["type"] == "http.disconnect" and self.cycle.more_body:
            raise ClientDisconnect

    def _count(self) -> None:
        if self._claim is None:
            return
        if self._size > self._limit:
            self._refuse(TooLarge(f"too large: the body has more than {self._limit} bytes (max_body)"))
            return
        try:
            self._claim.grow(self._size)
        except Busy as busy:
            self._refuse(busy)

    def _make_way(self) -> None:
        self._refuse(Busy())

    def _refuse(self, why: TooLarge | Busy | Broken) -> None:
        self._refusal = why
        self.give_back()
        self.cycle.message_event.set()


def settle(claim: Claim, body: bytes, encoding: bytes, limit: int) -> bytes:
    """A body that has come whole, inflated; it keeps its room until that is given back. Raises TooLarge or Busy."""
    if len(body) > limit:
        raise TooLarge(f"too large: the body has {len(body)} bytes; max_body is {limit}")
    body = inflated(body, encoding, limit)
    if len(body) != claim.size:
        claim.grow(len(body))
    claim.end_growth()
    return body
