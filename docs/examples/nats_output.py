"""An output to NATS JetStream, as a drop-in file. It needs nats-py.

    [output.stream]
    type = "nats"
    url = "nats://127.0.0.1:4222"

Events go to `boxbridge.<site>.<device>.<channel>.event`, their scenes before them to `….picture`, old news to
`….late.event`. JetStream drops what comes twice by its `Nats-Msg-Id`, which is the event's id.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from nats.aio.client import Client
from nats.errors import Error, MaxPayloadError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from bridge import Delivery, Event, Output, Rejected, Secret, Stopped, escape, hookimpl


class NatsOptions(Struct, frozen=True, kw_only=True):
    """The keys of its table."""

    url: Annotated[str, Meta(description="The server.", examples=["nats://127.0.0.1:4222"])]
    token: Annotated[Secret | None, Meta(description="What the server wants to be shown.")] = None
    stream: Annotated[str, Meta(description="The stream; it is made if it is not there.")] = "BOXBRIDGE"
    prefix: Annotated[str, Meta(description="What subjects begin with.")] = "boxbridge"


class NatsOutput(Output):
    """Publishes each event, with its scene, to NATS JetStream."""

    type = "nats"
    Options = NatsOptions
    unavailable = (Error,)  # closed, slow, no servers, no answer: all of it passes

    options: NatsOptions
    _connection: Client
    _stream: JetStreamContext
    _closing = False

    async def open(self) -> str:
        """Connect, and see to it that the stream is there."""
        self._connection, self._closing = Client(), False
        try:
            await self._connect(self.options.token.reveal() if self.options.token else None)
        except BaseException as error:
            await self.close()  # the library leaves its socket open
            if "Authorization Violation" in str(error):
                raise Stopped("the server refuses the token") from error
            raise
        self._stream = self._connection.jetstream()
        return f"stream {self.options.stream}, messages up to {self._connection.max_payload // 1000} kB"

    async def _connect(self, token: str | None) -> None:
        await self._connection.connect(
            self.options.url,
            token=token,
            name="boxbridge",
            closed_cb=self._closed,
            # It must not connect again by itself: the lane closes and opens the output, and waits as long as it has to.
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
        )
        try:
            await self._connection.jetstream().stream_info(self.options.stream)
        except NotFoundError:
            subjects = [f"{self.options.prefix}.>"]
            await self._connection.jetstream().add_stream(name=self.options.stream, subjects=subjects)

    async def deliver(self, delivery: Delivery) -> str | None:
        """Publish the scene, then the event; each is on the server's disk when its answer is here."""
        event, left_out = delivery.event, None
        if event.scene is not None and event.scene.size > self._connection.max_payload:
            left_out = f"scene left out: {event.scene.size // 1000} kB is more than the server takes"
        elif event.scene is not None:
            await self._publish(delivery, "picture", await event.scene.read(), f"{event.id}.picture")
        await self._publish(delivery, "event", delivery.document, event.id)
        return left_out

    async def _publish(self, delivery: Delivery, what: str, data: bytes, message_id: str) -> None:
        try:
            await self._stream.publish(self._subject(delivery, what), data, headers={"Nats-Msg-Id": message_id})
        except MaxPayloadError as error:
            raise Rejected(f"the document has {len(data)} bytes, more than the server takes") from error

    def _subject(self, delivery: Delivery, what: str) -> str:
        event: Event = delivery.event
        place = (event.site, event.device.id, event.channel.id)
        late = "late." if delivery.late else ""
        return f"{self.options.prefix}.{'.'.join(map(_token, place))}.{late}{what}"

    def where(self, delivery: Delivery) -> str:
        """The subject, and the stream that has it."""
        return f"{self._subject(delivery, 'event')} in stream {self.options.stream}"

    async def _closed(self) -> None:
        if not self._closing:
            self.lost(ConnectionError("the server closed the connection"))

    async def close(self) -> None:
        """Leave."""
        self._closing = True
        await self._connection.close()


def _token(name: str) -> str:
    """One part of a subject, from an id in any script."""
    return escape(name).replace(".", "%2E").replace("*", "%2A").replace(">", "%3E")


@hookimpl
def register_outputs() -> list[type[Output]]:
    """The one output."""
    return [NatsOutput]
