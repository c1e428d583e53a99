"""What a normalizer is: it reads one push of a vendor's device, and words the answer in the vendor's form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from msgspec import Struct

from bridge.event import Event


class Push(Struct, frozen=True, kw_only=True):
    """What arrived: one HTTP request or one WebSocket frame, as it came; tokens and Authorization are taken out."""

    method: str
    """The HTTP method; `POST` for a WebSocket message."""
    path: str
    """Without token."""
    query: str
    """What stood behind `?`, without token."""
    headers: Mapping[str, str]
    """Names in lower case; of repeated headers the last."""
    body: bytes
    """As it came, but inflated where it was compressed; `[server] max_body` (16 MB) at most."""
    peer: str
    """The sender's IP address."""
    received: datetime
    """UTC, when the last byte was there."""
    transport: Literal["http", "websocket"] = "http"
    """A WebSocket message is a push of its own, with the path and headers of its handshake."""
    fetched: Mapping[str, bytes] = {}
    """By address the pictures that a first reading asked for (`Parsed.wanted`), as far as they could be had."""


class Cutout(Struct, frozen=True, kw_only=True):
    """A picture found in a push."""

    data: bytes
    """Its own bytes, not their base64 text."""
    sha256: str
    """Their digest, lower-case hex."""
    span: tuple[int, int] | None
    """Where its base64 text stands in the body (start, end), if encoding `data` again gives exactly that text; the
    journal then stores the picture alone. None: the text is kept as it came."""


class InMemory:
    """Where an event's pictures are read from before, or without, a journal: an `Event.reading_from` of a push."""

    def __init__(self, pictures: tuple[Cutout, ...]) -> None:
        self._pictures = {picture.sha256: picture.data for picture in pictures}

    async def read(self, sha256: str) -> bytes:
        """The picture with this digest."""
        return self._pictures[sha256]

    def read_blocking(self, sha256: str) -> bytes:
        """The same for plain functions."""
        return self._pictures[sha256]


class Key(Struct, frozen=True):
    """What makes two pushes the same one: a device's message id, and a digest so that a reused id costs no event."""

    device: str
    """Who sent it, by what stays the same: uuid, else serial, else MAC."""
    msg_id: str
    """The push's own id; "" where it has none."""
    digest: bytes
    """Of what happened; not of the time it was sent nor of a retransmission flag."""


class Parsed(Struct, frozen=True, kw_only=True):
    """What a push holds."""

    message: str
    """The vendor's name for this kind of message, e.g. `eventCreateOptimize`."""
    device: str
    """Who sent it, as far as the push says."""
    key: Key
    """By which a repetition is known."""
    events: tuple[Event, ...] = ()
    """None to many; none means: kept as it came, nothing is delivered."""
    heartbeat: bool = False
    """It only says that its device is there: it is answered with success, and not kept."""
    pictures: tuple[Cutout, ...] = ()
    """All pictures that the events name by their sha256."""
    wanted: tuple[str, ...] = ()
    """Addresses (http) of pictures that the push only names, where the device may be believed: the core fetches them,
    and has the push read once more. What is missing then could not be had."""
    oddities: tuple[str, ...] = ()
    """Paths of fields that were missing or of a wrong type, for the counters; what was there is kept in `extra`."""
    reply: Any = None
    """What the normalizer itself needs of the push to word its answer; nobody else looks at it."""


class Outcome(Struct, frozen=True):
    """What became of a push, for the answer."""

    kind: Literal["stored", "duplicate", "unknown", "heartbeat", "refused", "not stored"]
    """`unknown`: of a known family, but of a kind that is only kept. `refused`: not understood, not allowed, or too
    often. `not stored`: understood, but the disk can't take it now."""
    status: int = 200
    """HTTP status that the core proposes."""
    reason: str = ""
    """A sentence for people, where it is no success."""
    retry_after: int = 0
    """Seconds after which the same push may come again; 0: there is nothing to say about it."""

    @property
    def success(self) -> bool:
        """Whether the device may forget the push."""
        return self.kind in ("stored", "duplicate", "unknown", "heartbeat")


class Answer(Struct, frozen=True, kw_only=True):
    """What the device gets back."""

    status: int
    """HTTP status; a WebSocket message is answered with the body alone."""
    body: bytes
    """In the vendor's form."""
    content_type: str = "application/json"
    """Of the body."""
    retry_after: int = 0
    """Seconds for the header Retry-After; the core sets it as the outcome has it."""


class Malformed(Exception):
    """The push can't be understood; the text is one sentence that says what is wrong with it.

    Numbers and what the push says come after its first colon: by what stands before it refusals are counted, and logged
    once a minute.
    """


class Normalizer:
    """Reads one family of protocols. Subclass it and return an instance from `register_normalizers`. It has no state.

    One instance serves all pushes. All its methods are called by the intake, on the event loop, one push at a time:
    `parse`, and after the durable commit `answer`; while they run nobody is served, so they must be quick and must not
    block. Of a push that only looks like the family's, `recognizes` may see many. What it can't make sense of
    inside a known envelope goes to `extra`; only what is no message of the family raises Malformed.
    """

    name: ClassVar[str]
    """Short, for logs and metrics."""
    paths: ClassVar[tuple[str, ...]] = ()
    """Paths (or, ending in `/`, their beginnings) that the vendor's devices push to by default."""

    def recognizes(self, push: Push) -> bool:
        """A cheap look at the bytes: is this our envelope, on whatever path it came?"""
        return False

    def parse(self, push: Push) -> Parsed:
        """Read the push; raises Malformed."""
        raise TypeError(f"{type(self).__name__} has no parse()")

    def answer(self, push: Push, parsed: Parsed | None, outcome: Outcome) -> Answer:
        """Word the answer, after the outcome is certain; `parsed` is None where the push could not be read."""
        raise TypeError(f"{type(self).__name__} has no answer()")

    def probe(self, push: Push) -> Answer:
        """Answer a GET or HEAD by which a device asks whether we are there."""
        return Answer(status=200, body=b"ok", content_type="text/plain")
