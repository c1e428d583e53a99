"""One connection to a broker, from CONNECT to its end: paho-mqtt on the event loop, used once and never again.

Only the blocking part of connecting (name look-up, TCP, TLS) runs in a worker thread; nothing else does. paho resends
nothing, for nothing outlives its connection: whatever is not acknowledged when it ends fails with `Unavailable`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bridge import Rejected, Retry, Stopped, Threads, Unavailable
from bridge_mqtt import limits, refusal
from bridge_mqtt.client import LARGEST, LeanClient
from bridge_mqtt.limits import Limits
from bridge_mqtt.message import Message
from bridge_mqtt.options import Options
from bridge_mqtt.tls import tls_context

PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}

_TICK = 1.0
_CLOSING = 3.0
_READS_AT_ONCE = 50


class Connection:
    """A connection to the broker. `open` once, `publish` while it lasts, `close` once.

    `lost` is called once, on the event loop, when an opened connection ends before `close` was called.
    """

    def __init__(
        self,
        options: Options,
        protocol: str,
        client_id: str,
        will: Message | None,
        lost: Callable[[Unavailable], None],
        dialling: Threads,
        log: Any,
    ) -> None:
        self.ended = ""
        """Why it ended; "" while it lasts."""
        self.limits = Limits(packet=options.max_packet)
        """What the broker takes."""
        self._options = options
        self._protocol = protocol
        self._lost = lost
        self._dialling = dialling
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._client = self._make_client(client_id, will)
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._opened = False
        self._gone = asyncio.Event()
        self._waiting: deque[tuple[Message, _Published]] = deque()
        self._unacknowledged: dict[int, _Published] = {}
        self._will = will
        self._moved = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __str__(self) -> str:
        tls = " over TLS" if self._options.address.tls else ""
        return ", ".join(part for part in (f"MQTT {self._protocol}{tls}", str(self.limits)) if part)

    async def open(self) -> None:
        """Connect; raises Unavailable, VersionRefused or Stopped, as the broker or the network has it."""
        dialled = self._dialling.run(self._dial)
        dialled.add_done_callback(self._attach)
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                await self._accepted
        except TimeoutError:
            text = f"{self._options.address}: no answer within {self._options.connect_timeout}"
            self._end(text)
            raise Unavailable(text) from None
        except BaseException:
            self._end("not connected")
            raise
        self._opened = True

    def publish(self, *messages: Message) -> asyncio.Future[None]:
        """Send them after all that was published before; the future is done when the broker has acknowledged them all.

        It fails with Unavailable when the connection ends, or as the broker's first refusal has it. Raises Unavailable
        where the connection has ended already.
        """
        if self.ended:
            raise Unavailable(self.ended)
        published = _Published(self._loop.create_future(), len(messages))
        if not self.limits.retained:
            messages = tuple(replace(message, retain=False) for message in messages)
        self._waiting.extend([(message, published) for message in messages])
        self._send_what_may()
        return published.whole

    def subscribe(self, topic: str, told: Callable[[bytes], None]) -> None:
        """Tell of each message on this topic from now on; not of what the broker kept from before."""
        self._client.message_callback_add(topic, lambda _c, _d, got: None if got.retain else told(bytes(got.payload)))
        self._client.subscribe(topic, qos=1)

    async def close(self, last_message: Message | None = None) -> None:
        """Publish a last message, see it acknowledged, disconnect. Takes no more than some seconds."""
        self._opened = False
        try:
            async with asyncio.timeout(_CLOSING):
                if last_message and not self.ended:
                    await self.publish(last_message)
                if not self.ended:
                    self._client.disconnect(
                        properties=self._properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0)
                    )
                    await self._gone.wait()
        except (TimeoutError, Unavailable, Retry, Rejected) as error:
            self._log.warning("the broker was left without a goodbye", reason=str(error) or "no answer in time")
        finally:
            self._end("closed")

    # The worker thread: only this one function.

    def _dial(self) -> None:
        if self.ended:  # given up while those before it hung
            return
        address = self._options.address
        if address.tls:
            self._client.tls_set_context(tls_context(self._options))
        keeps = self._will is not None and self._options.session_expiry > 0
        told = self._properties(
            PacketTypes.CONNECT,
            MaximumPacketSize=LARGEST,
            SessionExpiryInterval=round(self._options.session_expiry) if keeps else 0,
        )
        self._client.connect(
            address.host,
            address.port,
            keepalive=round(self._options.keepalive),
            # A session that ends by being cleaned says `offline` at once, whatever the will's delay.
            clean_start=False if keeps and told else MQTT_CLEAN_START_FIRST_ONLY,
            properties=told,
        )

    # The event loop again.

    def _make_client(self, client_id: str, will: Message | None) -> LeanClient:
        client = LeanClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=PROTOCOLS[self._protocol],
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._options.connect_timeout
        self._trouble = _LastError()
        client.enable_logger(self._trouble.logger)
        if self._options.username:
            password = self._options.password
            client.username_pw_set(self._options.username, password.reveal() if password else None)
        if will:
            delay = self._properties(PacketTypes.WILLMESSAGE, WillDelayInterval=round(self._options.will_delay))
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain, properties=delay)
        return client

    def _properties(self, packet: int, **values: int) -> Properties | None:
        """Properties of a packet, which only MQTT 5 has."""
        if self._protocol != "5":
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        for name, value in values.items():
            setattr(properties, name, value)
        return properties

    def _attach(self, dialled: asyncio.Future[None]) -> None:
        """Take over what the worker thread has connected, or its failure."""
        if error := dialled.exception():
            self._refuse(refusal.of_network(error, self._options.address))
            return
        if self.ended:
            self._release()
            return
        self._client.on_connect = self._on_connect
        self._client.on_acknowledged = self._on_acknowledged
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_close = lambda _client, _data, sock: self._forget(sock.fileno())
        self._client.on_socket_register_write = lambda _client, _data, _sock: self._want_write()
        self._client.on_socket_unregister_write = lambda _client, _data, sock: self._unwant_write(sock.fileno())
        sock = self._client.socket()
        if sock is None:  # it broke while CONNECT was being written
            self._broken_off()
            return
        self._loop.add_reader(sock.fileno(), self._guarded, self._readable)
        if self._client.want_write():
            self._want_write()
        self._guarded(self._tick)

    def _want_write(self) -> None:
        self._loop.call_soon(self._guarded, self._write)

    def _unwant_write(self, fileno: int) -> None:
        self._loop.remove_writer(fileno)

    def _forget(self, fileno: int) -> None:
        self._loop.remove_reader(fileno)
        self._loop.remove_writer(fileno)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step of paho, with our callbacks in it; an exception drops the connection and is told."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and costs only this connection
            self._log.exception("the MQTT connection is dropped after a fault inside boxbridge")
            self._end(f"{type(error).__name__}: {error}")

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            self._client.loop_read()
            sock = self._client.socket()
            # what was read ahead, or stands in the same TLS record, may hold more packets; the socket stays silent then
            tls_pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
            if self.ended or not (self._client.read_ahead or tls_pending):
                break
        else:
            self._loop.call_soon(self._guarded, self._readable)
        self._send_what_may()

    def _write(self) -> None:
        """Send what this turn of the loop has published; what the socket does not take waits until it does."""
        self._client.loop_write()
        sock = self._client.socket()
        if sock is not None and self._client.want_write():
            self._loop.add_writer(sock.fileno(), self._guarded, self._write)
            self._moved = self._loop.time()  # a slow link that moves is no silent broker

    def _tick(self) -> None:
        """Once a second: paho's keep-alive, and our own watch over acknowledgements, which paho lacks."""
        if self.ended:
            return
        self._timer = self._loop.call_later(_TICK, self._guarded, self._tick)
        self._client.loop_misc()
        if self._unacknowledged and self._loop.time() - self._moved > self._options.ack_timeout:
            self._end(f"the broker has acknowledged nothing for {self._options.ack_timeout}")

    def _send_what_may(self) -> None:
        while self._waiting and len(self._unacknowledged) < self.limits.under_way:
            message, published = self._waiting.popleft()
            if not published.whole.done():  # what is left of a cancelled or refused delivery is not worth sending
                self._send(message, published)

    def _send(self, message: Message, published: _Published) -> None:
        mid = self._client.free_mid(self._unacknowledged)
        try:
            head = message.head(mid, self._protocol)
        except ValueError as error:
            published.whole.set_exception(Rejected(f"MQTT has no room for it: {error}"))
            return
        self._client.send(head, message.payload)
        if not self._unacknowledged:
            self._moved = self._loop.time()
        self._unacknowledged[mid] = published

    # paho's callbacks, all on the event loop, inside `_guarded`.

    def _on_connect(self, _c: Client, _d: Any, _f: ConnectFlags, reason: ReasonCode, given: Properties | None) -> None:
        if reason.is_failure:
            self._refuse(refusal.of_client(reason, given, self._protocol))
            return
        self.limits = limits.told(given, self._options.max_packet)
        if not self.limits.acknowledged:
            self._refuse(Stopped("the broker acknowledges nothing (Maximum QoS 0): no event would be known to arrive"))
        elif not self._accepted.done():
            self._accepted.set_result(None)

    def _on_acknowledged(self, mid: int, refused: BaseException | None) -> None:
        self._moved = self._loop.time()
        published = self._unacknowledged.pop(mid, None)
        if published is None or published.whole.done():
            return
        published.open -= 1
        if refused:
            published.whole.set_exception(refused)
        elif not published.open:
            published.whole.set_result(None)

    def _on_disconnect(self, _c: Client, _d: Any, flags: DisconnectFlags, reason: ReasonCode, given: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(f"the broker closed the connection: {refusal.in_words(reason, given)}")
        elif reason == "Keep alive timeout":
            self._end(f"the broker did not answer within {self._options.keepalive}")
        else:
            self._broken_off()

    # The end.

    def _refuse(self, error: BaseException) -> None:
        """`open` fails with this, if it still waits."""
        if not self._accepted.done():
            self._accepted.set_exception(error)

    def _broken_off(self) -> None:
        why = self._trouble.text or "closed by the broker"
        hint = ""
        if not self._options.address.tls:
            hint = "; it may want TLS (mqtts://)"
        elif not self._options.cert:
            hint = "; it may want to see a client certificate"
        self._refuse(refusal.VersionRefused(f"connection lost before the broker answered: {why}{hint}"))
        self._end(f"connection lost: {why}")

    def _end(self, reason: str) -> None:
        """Let go of the socket; all that waits for the broker fails. The first reason counts."""
        if self.ended:
            return
        self.ended = reason
        if self._timer:
            self._timer.cancel()
        self._release()
        published = (*self._unacknowledged.values(), *(published for _, published in self._waiting))
        for waiting in (self._accepted, *(one.whole for one in published)):
            if not waiting.done():
                waiting.set_exception(Unavailable(reason))
        self._unacknowledged.clear()
        self._waiting.clear()
        self._gone.set()
        if self._opened:
            self._lost(Unavailable(reason))

    def _release(self) -> None:
        self._client.on_socket_close = self._client.on_socket_unregister_write = None
        sock = self._client.socket()
        if sock is not None and sock.fileno() >= 0:
            self._forget(sock.fileno())
            sock.close()


class _Published(Struct):
    """The messages of one delivery, which is done when the last of them is acknowledged."""

    whole: asyncio.Future[None]
    open: int


class _LastError(logging.Handler):
    """Keeps what paho only logs: the network's own words for why a connection broke."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""
        self.logger = logging.Logger("paho", logging.ERROR)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage().removeprefix("failed to receive on socket: ")
