"""Outputs with one fault each, which the contract has to find; all else they have of a sound one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx2
from msgspec import Struct, json

from bridge import Delivery, OutputContext, Rejected, Retry, Secret, Unavailable, outcome
from tests.testing.sound import Message, Sound

KEPT: list[Any] = []
"""What some of them hold on to."""


class AcknowledgesFirst(Sound):
    """Returns at once, and sends later."""

    type = "acknowledges-first"

    async def deliver(self, delivery: Delivery) -> str | None:
        KEPT.append(asyncio.create_task(self._quietly(super().deliver(delivery))))
        return None

    async def _quietly(self, sending: Any) -> None:
        with contextlib.suppress(Exception):
            await sending


class ChangesIds(Sound):
    """Makes an id of its own for each attempt but the first."""

    type = "changes-ids"
    posted: frozenset[str] = frozenset()

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        again, self.posted = event_id in self.posted, self.posted | {event_id}
        return await super().post(str(uuid.uuid4()) if again else event_id, document, pictures)


class SwallowsErrors(Sound):
    """Takes no error for one."""

    type = "swallows-errors"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        try:
            return await super().post(event_id, document, pictures)
        except Exception:  # noqa: BLE001 - its fault
            return None


class CallsOutageRefusal(Sound):
    """Gives events up where the far side is only away."""

    type = "calls-outage-refusal"
    unavailable = ()

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        try:
            return await super().post(event_id, document, pictures)
        except httpx2.TransportError as error:
            raise Rejected("no connection") from error


class Blocks(Sound):
    """Calls what blocks on the event loop."""

    type = "blocks"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        body = json.encode(Message(event_id, document.decode(), pictures))
        answer = httpx2.post(self.options.url, content=body, timeout=20)
        outcome(answer.status_code, answer.headers)
        return None


class KeepsEverything(Sound):
    """Remembers each delivery."""

    type = "keeps-everything"

    async def deliver(self, delivery: Delivery) -> str | None:
        KEPT.append(delivery)
        return await super().deliver(delivery)


class LeavesTasks(Sound):
    """Leaves a task behind with each delivery."""

    type = "leaves-tasks"

    async def deliver(self, delivery: Delivery) -> str | None:
        KEPT.append(asyncio.create_task(asyncio.sleep(3600)))
        return await super().deliver(delivery)


class LeavesFiles(Sound):
    """Leaves a file open with each delivery."""

    type = "leaves-files"

    async def deliver(self, delivery: Delivery) -> str | None:
        KEPT.append(Path("/dev/null").open())  # noqa: ASYNC230, SIM115 - its fault
        return await super().deliver(delivery)


class LogsItsSecret(Sound):
    """Says in its log what it connects with."""

    type = "logs-its-secret"

    async def open(self) -> str | None:
        self.log.info("connecting", key=self.options.key.reveal())
        return await super().open()


class TellsItsSecret(Sound):
    """Has its secret in the reason of a failure."""

    type = "tells-its-secret"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        try:
            return await super().post(event_id, document, pictures)
        except httpx2.TransportError as error:
            raise Unavailable(f"no connection with key {self.options.key.reveal()}") from error


class IgnoresCancellation(Sound):
    """Goes on when it is cancelled."""

    type = "ignores-cancellation"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        while True:
            try:
                return await super().post(event_id, document, pictures)
            except asyncio.CancelledError:
                continue


class MixesUpAnswers(Sound):
    """Takes the next answer on its connection for its own, though it may belong to an event that timed out before."""

    type = "mixes-up-answers"

    async def open(self) -> str | None:
        address = urlsplit(self.options.url)
        self.reader, self.writer = await asyncio.open_connection(address.hostname, address.port)
        self.turn = asyncio.Lock()
        return await super().open()

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        body = json.encode(Message(event_id, document.decode(), pictures))
        async with self.turn:
            self.writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            answer = await self.reader.readuntil(b"\r\n\r\n")
        outcome(int(answer.split()[1]), {})
        return None

    async def close(self) -> None:
        self.writer.close()
        await super().close()


class HoldsItsLock(Sound):
    """Takes a lock that nobody lets go of when a delivery is cancelled."""

    type = "holds-its-lock"

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        self.own = asyncio.Lock()

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        await self.own.acquire()
        try:
            await super().post(event_id, document, pictures)
        except Exception:
            self.own.release()
            raise
        self.own.release()
        return None


class LosesPictures(Sound):
    """Brings the scene only."""

    type = "loses-pictures"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        return await super().post(event_id, document, pictures[:1])


class CutsLargePictures(Sound):
    """Brings no picture beyond 4 MB whole, and does not say so."""

    type = "cuts-large-pictures"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        return await super().post(event_id, document, [picture[:4_000_000] for picture in pictures])


class WantsPictures(Sound):
    """Fails on an event without a scene."""

    type = "wants-pictures"

    async def deliver(self, delivery: Delivery) -> str | None:
        assert delivery.event.scene is not None
        return await super().deliver(delivery)


class RewritesDocuments(Sound):
    """Rounds what it brings."""

    type = "rewrites-documents"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        return await super().post(event_id, document.replace(b'"frame":7943', b'"frame":7900'), pictures)


class SendsTheLatest(Sound):
    """Has one place for the event that is under way."""

    type = "sends-the-latest"

    async def deliver(self, delivery: Delivery) -> str | None:
        self.latest = delivery
        await asyncio.sleep(0)
        return await super().deliver(self.latest)


class RetriesForEver(Sound):
    """Takes a refusal for something that passes."""

    type = "retries-for-ever"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        try:
            return await super().post(event_id, document, pictures)
        except Rejected as error:
            raise Retry(str(error)) from error


class FailingOptions(Struct, frozen=True, kw_only=True):
    """Whose own check has a fault."""

    url: str
    key: Secret
    gate: int = 1

    def faults(self) -> Iterator[str]:
        """What is wrong with them."""
        if {1: False}[self.gate]:
            yield "gate: is not 1"


class ChecksWrongly(Sound):
    """Takes wrong options for right ones."""

    type = "checks-wrongly"
    Options = FailingOptions


class TakesAnything(Sound):
    """Says nothing of a gate that can't be."""

    type = "takes-anything"

    class Options(Struct, frozen=True, kw_only=True):
        """Any gate will do."""

        url: str
        key: Secret
        gate: int = 1


class MarksBeforeSending(Sound):
    """Notes on disk that an event is out before it is, and does not send it again."""

    type = "marks-before-sending"

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        mark = self.data / f"sent-{event_id}"
        if mark.exists():
            return None
        mark.touch()
        return await super().post(event_id, document, pictures)


class BareSecret(Sound):
    """Has a secret that is mere text."""

    type = "bare-secret"

    class Options(Struct, frozen=True, kw_only=True):
        """With a password as text."""

        url: str
        key: Secret
        password: str = ""


class LeavesThreads(Sound):
    """Leaves a thread behind with each delivery."""

    type = "leaves-threads"
    ending: ClassVar[threading.Event] = threading.Event()

    async def deliver(self, delivery: Delivery) -> str | None:
        threading.Thread(target=self.ending.wait, daemon=True).start()
        return await super().deliver(delivery)


class ClosesForEver(Sound):
    """Never comes to an end with closing while something is under way."""

    type = "closes-for-ever"
    under_way = 0

    async def post(self, event_id: str, document: bytes, pictures: list[bytes]) -> str | None:
        self.under_way += 1
        await super().post(event_id, document, pictures)
        self.under_way -= 1
        return None

    async def close(self) -> None:
        while self.under_way:  # noqa: ASYNC110 - its fault
            await asyncio.sleep(0.1)
        await super().close()


class RemembersInMemory(Sound):
    """Returns as soon as it has put an event into a queue, which it sends from in its own time."""

    type = "remembers-in-memory"

    async def open(self) -> str | None:
        await super().open()
        self.queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.sending = asyncio.create_task(self._send())
        return None

    async def _send(self) -> None:
        while True:
            delivery = await self.queue.get()
            await asyncio.sleep(0.1)
            await super().deliver(delivery)

    async def deliver(self, delivery: Delivery) -> str | None:
        self.queue.put_nowait(delivery)
        return None

    async def close(self) -> None:
        self.sending.cancel()
        await super().close()
