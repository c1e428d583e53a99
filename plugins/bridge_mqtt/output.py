"""The MQTT output: what is published for an event, on which topics, and what each failure means."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from msgspec.structs import replace

from bridge import Delivery, Output, OutputContext, Rejected, Retry, Threads, Unavailable
from bridge_mqtt.book import Book
from bridge_mqtt.connection import Connection
from bridge_mqtt.fit import Planner
from bridge_mqtt.message import Message
from bridge_mqtt.options import Options
from bridge_mqtt.refusal import RetainRefused, VersionRefused
from bridge_mqtt.topics import Topics
from bridge_mqtt.tree import Tree

_DIALS_AT_ONCE = 4
"""A name look-up may hang long after it was given up: so many may, before the next has to wait for one to end."""
_LOOK_SECONDS = 5.0
"""How often is looked whether a device fell silent."""
_BORN = b"online"
"""What Home Assistant says when it was started."""


class Mqtt(Output):
    """Publishes each event, after its pictures, to an MQTT broker."""

    type = "mqtt"
    Options = Options

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        self.options: Options
        self._topics = Topics(self.options.base, self.site, self.options.topics)
        self._dialling = Threads(f"mqtt-{self.name}", _DIALS_AT_ONCE)
        self._working = Threads(f"mqtt-{self.name}-work", 1)
        self._planner = Planner(self.options, self._topics, self.annotated, self._working)
        self._book = Book(self.data / "mqtt" / f"{self.name}.json")
        self._tree = Tree(self.options, self._topics, self._book, self.site, self.version)
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._written = b"{}"
        """What the book's file holds."""
        self._connection: Connection | None = None
        self._turn: asyncio.Future[None] | None = None
        """Done when the last delivery and all before it are published, or given up."""

    @classmethod
    def holds(cls, context: OutputContext) -> dict[str, str]:
        """Its name at the broker, where the configuration gives one: two clients of one name throw each other out."""
        options: Options = context.options
        return {"client_id": f"client {options.client_id} at {options.url}"} if options.client_id else {}

    async def open(self) -> str:
        """Connect and say `online`; returns the version and what the broker takes."""
        connection = await self._connect(self._client_id(), self._state("offline"), self._gone)
        try:
            await connection.publish(self._state("online"))
        except BaseException:
            await connection.close()
            raise
        if connection.ended:  # with the acknowledgement: nobody was told, for it was not open yet
            raise Unavailable(connection.ended)
        self._connection = connection
        self._turn = None
        self._keeping = asyncio.create_task(self._keep_tree(connection), name=f"mqtt tree of {self.name}")
        self._keeping.add_done_callback(self._kept)
        return str(connection)

    async def deliver(self, delivery: Delivery) -> str:
        """Publish pictures and event; returns when the broker has acknowledged every one of them."""
        connection = self._connection
        if connection is None:
            raise Unavailable("not connected")
        # Pictures are read at the same time, but published in the order of the deliveries: the retained one is the
        # latest, and each event follows its own pictures directly.
        before, mine = self._turn, asyncio.get_running_loop().create_future()
        self._turn = mine
        try:
            plan = await self._planner.plan(delivery, connection.limits)
            if before and not before.done():
                await asyncio.wait({before})
            acknowledged = connection.publish(*plan.messages)
        finally:
            _end_turn(mine, before)
        if not delivery.test and self._book.note(delivery.event):
            self._changed.set()
        await acknowledged
        return "; ".join(plan.less)

    def where(self, delivery: Delivery) -> str:
        """The topics that an event was published on; while connected, without pictures too large for the broker."""
        connection = self._connection
        return "\n".join(self._planner.topics(delivery, connection.limits if connection else None))

    async def close(self) -> None:
        """Say `stopped` and disconnect."""
        connection, self._connection = self._connection, None
        if self._keeping:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if connection:
            await connection.close(self._state("stopped"))

    async def check(self) -> str:
        """Connect under another name, so that a running daemon keeps its connection; publishes nothing."""
        connection = await self._connect(f"{self._client_id()}-check", None, lambda _reason: None)
        await connection.close()
        return str(connection)

    async def forget(self) -> str:
        """Take all that is retained from the broker, so that it looks as if boxbridge had never been there."""
        await self._read_book()
        topics = self._tree.topics(self.surroundings())
        connection = await self._connect(self._client_id(), None, lambda _reason: None)
        try:
            await asyncio.gather(
                *(connection.publish(Message(topic=topic, payload=b"", retain=True)) for topic in topics)
            )
        finally:
            await connection.close()
        await self._working.run(self._book.remove)
        return f"{len(topics)} retained messages were taken from the broker"

    async def _keep_tree(self, connection: Connection) -> None:
        """Keep what is retained as it should be, until the connection ends."""
        await self._read_book()
        self._tree.forget()
        if self.options.homeassistant and not connection.ended:
            connection.subscribe(f"{self.options.homeassistant_prefix}/status", self._on_homeassistant)
        while not connection.ended:
            self._changed.clear()
            for message in self._tree.news(self.surroundings(), datetime.now(UTC)):
                await self._retain(message, connection)
            await self._write_book()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):  # wait_for may swallow that it is cancelled
                    await self._changed.wait()

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        if not keeping.cancelled() and (error := keeping.exception()):
            self.log.error("what is retained is not kept up until the next connect; this is a fault of boxbridge",
                           exc_info=error)  # fmt: skip

    async def _retain(self, message: Message, connection: Connection) -> None:
        if connection.limits.packet is not None and message.size > connection.limits.packet:
            self.log.warning("too large for the broker's packets, so it is not published", topic=message.topic)
            return
        try:
            await connection.publish(message)
        except (Rejected, Retry) as error:
            self.log.warning("not published", topic=message.topic, reason=str(error))
        except Unavailable:
            return  # the end of the connection, which the output was told of

    def _on_homeassistant(self, payload: bytes) -> None:
        if payload == _BORN:
            self._tree.forget()
            self._changed.set()

    async def _read_book(self) -> None:
        try:
            await self._working.run(self._book.read)
        except (OSError, ValueError) as error:
            self.log.warning("what was known of devices can't be read; it is learned anew", reason=str(error))

    async def _write_book(self) -> None:
        encoded = self._book.encoded()
        if encoded == self._written:
            return
        try:
            await self._working.run(lambda: self._book.write(encoded))
            self._written = encoded
        except OSError as error:
            self.log.warning("what is known of devices can't be written", reason=str(error))

    def _gone(self, reason: BaseException) -> None:
        if self._connection:  # else `open` is still under way, and raises it
            self.lost(reason)

    async def _connect(self, client_id: str, will: Message | None, lost: Callable[[BaseException], None]) -> Connection:
        first, *others = ("5", "3.1.1") if self.options.protocol == "auto" else (self.options.protocol,)
        try:
            return await self._connect_with(first, client_id, will, lost)
        except RetainRefused:
            unkept = replace(will, retain=False) if will else None
            return await self._connect_with(first, client_id, unkept, lost)
        except VersionRefused:
            if not others:
                raise
        return await self._connect_with(others[0], client_id, will, lost)

    async def _connect_with(
        self, protocol: str, client_id: str, will: Message | None, lost: Callable[[BaseException], None]
    ) -> Connection:
        connection = Connection(self.options, protocol, client_id, will, lost, self._dialling, self.log)
        await connection.open()
        return connection

    def _state(self, state: str) -> Message:
        return Message(topic=self._topics.state, payload=state.encode(), retain=True)

    def _client_id(self) -> str:
        """Stable, and another for each site, output, host and data folder: brokers allow one connection an id."""
        if self.options.client_id:
            return self.options.client_id
        whole = "\0".join((self.site, self.name, socket.gethostname(), str(self.data.absolute())))
        digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        readable = (re.sub(r"[^A-Za-z0-9_-]", "", part)[:20] for part in (self.site, self.name))
        return "-".join(part for part in ("boxbridge", *readable, digest) if part)


def _end_turn(mine: asyncio.Future[None], before: asyncio.Future[None] | None) -> None:
    """End a turn, though not before those before it have ended: who gives up lets nobody overtake them."""
    if before is None or before.done():
        mine.set_result(None)
    else:
        before.add_done_callback(lambda _: mine.set_result(None))
