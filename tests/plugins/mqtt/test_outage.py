"""What happens when the broker goes away, falls silent or refuses."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from bridge import Duration, Event, Rejected, Retry, Size, Stopped, Unavailable
from bridge.testing.ports import free_port
from tests.brokers import Broker, Mosquitto, Subscriber
from tests.plugins.mqtt.hostile import HANG_UP, Cable, HostileBroker
from tests.plugins.mqtt.sending import delivery_of, event_with, opened, output_to

pytestmark = pytest.mark.anyio
CHANNEL = "boxbridge/plant-a/gate-3/1"


async def until(condition: Callable[[], object], within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - the condition lies in another thread or process
            await asyncio.sleep(0.01)


def read_slowly(event: Event, monkeypatch: pytest.MonkeyPatch) -> tuple[Event, asyncio.Event]:
    """The event, whose scene is read once the second is set."""
    read = asyncio.Event()

    async def slowly(_sha256: str) -> bytes:
        await read.wait()
        return b"scene"

    assert event.scene is not None
    monkeypatch.setattr(event.scene.__dict__["source"], "read", slowly)
    return event, read


async def test_a_broker_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}: Connection refused"):
        await output_to(f"mqtt://127.0.0.1:{port}", tmp_path).open()


async def test_a_host_without_an_address_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.invalid:1883: "):
        await output_to("mqtt://nowhere.invalid", tmp_path).open()


async def test_look_ups_that_hang_take_no_threads_but_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more outputs that look up a name than the loop has threads, others of its threads still get their turn."""
    answered = threading.Event()

    def hang(*_: object, **__: object) -> None:
        assert answered.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    outputs = [output_to("mqtt://far.example", tmp_path, connect_timeout=Duration("100ms")) for _ in range(40)]
    try:
        given_up = await asyncio.gather(*(output.open() for output in outputs), return_exceptions=True)
        assert {type(error) for error in given_up} == {Unavailable}
        async with asyncio.timeout(5):
            await asyncio.to_thread(lambda: None)
    finally:
        answered.set()


async def test_the_will_says_offline_when_the_connection_breaks(broker: Broker, tmp_path: Path) -> None:
    lost: list[BaseException] = []
    with Subscriber(broker, "boxbridge/plant-a/state") as subscriber:
        async with Cable(broker.port) as cable, opened(output_to(cable.url, tmp_path, lost.append)):
            cable.cut()
            await subscriber.until(lambda got: got.messages and got.messages[-1].payload == b"offline")
            await until(lambda: lost)
    assert [message.payload for message in subscriber.messages] == [b"online", b"offline"]


async def test_a_broker_that_dies_fails_what_is_under_way_and_gets_it_after_it_came_back(
    broker: Broker, tmp_path: Path
) -> None:
    lost: list[BaseException] = []
    output = output_to(broker.url, tmp_path, lost.append)
    deliveries = [delivery_of(event_with(b"x" * 300_000 + bytes([number]))) for number in range(16)]
    await output.open()
    broker.freeze()
    under_way = [asyncio.ensure_future(output.deliver(delivery)) for delivery in deliveries]
    await asyncio.sleep(0)
    broker.kill()
    outcomes = await asyncio.gather(*under_way, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * len(deliveries)
    await until(lambda: lost)
    assert [type(reason) for reason in lost] == [Unavailable]
    assert str(lost[0]).startswith("connection lost: ")
    with pytest.raises(Unavailable):
        await output.deliver(deliveries[0])
    await output.close()
    with pytest.raises(Unavailable):
        await output.open()

    broker.start()
    with Subscriber(broker, f"{CHANNEL}/event") as subscriber:
        async with opened(output):
            await asyncio.gather(*(output.deliver(delivery) for delivery in deliveries))
        await subscriber.until(lambda got: len(got.messages) >= len(deliveries))
    assert [message.payload for message in subscriber.messages] == [delivery.document for delivery in deliveries]


async def test_a_subscriber_that_stays_gets_what_was_held_back_during_an_outage(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    output = output_to(mosquitto.url, tmp_path)
    with Subscriber(mosquitto, f"{CHANNEL}/event", protocol="3.1.1") as subscriber:
        mosquitto.stop()
        with pytest.raises(Unavailable):
            await output.open()
        mosquitto.start()
        async with opened(output):
            await output.deliver(delivery_of(event_with()))
        await subscriber.until(lambda got: got.messages)


async def test_a_broker_that_never_acknowledges_is_left(tmp_path: Path) -> None:
    lost: list[BaseException] = []
    async with HostileBroker(on_publish=lambda _topic: None) as broker:
        output = output_to(broker.url, tmp_path, lost.append, ack_timeout=Duration("300ms"))
        async with opened(output):
            with pytest.raises(Unavailable, match="acknowledged nothing for 300ms"):
                await output.deliver(delivery_of(event_with()))
    assert len(lost) == 1


@pytest.mark.parametrize(("on_state", "outcome"), [(None, Unavailable), (135, Rejected)])
async def test_an_output_that_cannot_say_online_is_not_open(
    tmp_path: Path, on_state: int | None, outcome: type[Exception]
) -> None:
    lost: list[BaseException] = []
    async with HostileBroker(on_state=on_state) as broker:
        with pytest.raises(outcome):
            await output_to(broker.url, tmp_path, lost.append, ack_timeout=Duration("300ms")).open()
    assert lost == []


async def test_a_broker_that_does_not_answer_connect_is_unavailable(tmp_path: Path) -> None:
    async with HostileBroker(connack=b"") as broker:
        with pytest.raises(Unavailable, match="no answer within 200ms"):
            await output_to(broker.url, tmp_path, connect_timeout=Duration("200ms")).open()


async def test_a_broker_that_answers_nonsense_is_unavailable(tmp_path: Path) -> None:
    async with HostileBroker(connack=b"\x00\x00\x05\xff\xff") as broker:
        with pytest.raises(Unavailable, match="connection lost before the broker answered"):
            await output_to(broker.url, tmp_path).open()


@pytest.mark.parametrize(
    ("code", "outcome", "words"),
    [
        (135, Rejected, "Not authorized"),
        (144, Rejected, "Topic name invalid"),
        (151, Unavailable, "Quota exceeded"),
        (131, Retry, "Implementation specific error"),
    ],
)
async def test_a_message_that_is_refused_is_not_delivered(
    tmp_path: Path, code: int, outcome: type[Exception], words: str
) -> None:
    async with (
        HostileBroker(on_publish=lambda topic: code if topic.endswith("/event") else 0) as broker,
        opened(output_to(broker.url, tmp_path)) as output,
    ):
        with pytest.raises(outcome, match=words):
            await output.deliver(delivery_of(event_with()))


async def test_a_refused_picture_means_that_the_event_is_not_delivered(tmp_path: Path) -> None:
    async with (
        HostileBroker(on_publish=lambda topic: 151 if topic.endswith("/picture") else 0) as broker,
        opened(output_to(broker.url, tmp_path)) as output,
    ):
        with pytest.raises(Unavailable):
            await output.deliver(delivery_of(event_with()))


async def test_an_acknowledgement_that_makes_no_sense_is_the_brokers_trouble(tmp_path: Path) -> None:
    with capture_logs() as log:
        async with (
            HostileBroker(on_publish=lambda topic: 5 if topic.endswith("/event") else 0) as broker,
            opened(output_to(broker.url, tmp_path)) as output,
        ):
            with pytest.raises(Unavailable):
                await output.deliver(delivery_of(event_with()))
    assert [line["event"] for line in log if line["log_level"] == "error"] == []


async def test_no_subscriber_is_no_failure(tmp_path: Path) -> None:
    async with (
        HostileBroker(on_publish=lambda _topic: 16) as broker,
        opened(output_to(broker.url, tmp_path)) as output,
    ):
        await output.deliver(delivery_of(event_with()))


@pytest.mark.parametrize(
    ("code", "outcome"), [(134, Stopped), (135, Stopped), (138, Stopped), (136, Unavailable), (137, Unavailable)]
)
async def test_a_refused_connection_stops_the_output_only_where_a_person_has_to_mend_it(
    tmp_path: Path, code: int, outcome: type[Exception]
) -> None:
    async with HostileBroker(connack=bytes([0, code, 0])) as broker:
        with pytest.raises(outcome, match="the broker refuses the connection"):
            await output_to(broker.url, tmp_path).open()


async def test_no_more_is_sent_than_the_broker_is_ready_to_hold(tmp_path: Path) -> None:
    receive_maximum_3 = b"\x00\x00\x03\x21\x00\x03"
    async with HostileBroker(connack=receive_maximum_3) as broker:
        async with opened(output_to(broker.url, tmp_path)) as output:
            await asyncio.gather(*(output.deliver(delivery_of(event_with())) for _ in range(10)))
        assert broker.unanswered == 3
        assert len([topic for topic in broker.topics if topic.endswith("/event")]) == 10


async def test_a_fault_inside_drops_the_connection_instead_of_vanishing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[BaseException] = []
    async with HostileBroker() as broker, opened(output_to(broker.url, tmp_path, lost.append)) as output:
        monkeypatch.setattr("bridge_mqtt.refusal.of_message", None)
        monkeypatch.setattr(broker, "on_publish", lambda _topic: 131)
        with pytest.raises(Unavailable, match="TypeError"):
            await output.deliver(delivery_of(event_with()))
    assert len(lost) == 1


async def test_a_cancelled_delivery_does_not_hold_the_ones_after_it(tmp_path: Path) -> None:
    async with (
        HostileBroker(on_publish=lambda topic: None if "silent" in topic else 0) as broker,
        opened(output_to(broker.url, tmp_path)) as output,
    ):
        silent = asyncio.ensure_future(output.deliver(delivery_of(event_with(device="silent"))))
        await until(lambda: any("silent" in topic for topic in broker.topics))
        silent.cancel()
        await output.deliver(delivery_of(event_with()))
        assert silent.cancelled()


async def test_a_picture_that_is_slow_to_read_does_not_let_later_events_overtake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, read = read_slowly(event_with(device="first"), monkeypatch)
    async with HostileBroker() as broker, opened(output_to(broker.url, tmp_path)) as output:
        deliveries = [delivery_of(slow), delivery_of(event_with(device="second"))]
        under_way = asyncio.gather(*(output.deliver(delivery) for delivery in deliveries))
        await asyncio.sleep(0)
        read.set()
        await under_way
    events = [topic.split("/")[2] for topic in broker.topics if topic.endswith("/event")]
    assert events == ["first", "second"]


async def test_a_delivery_that_fails_lets_none_overtake_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, read = read_slowly(event_with(device="first"), monkeypatch)
    too_large = replace(delivery_of(event_with(None, device="second")), document=b" " * 2000)
    async with (
        HostileBroker() as broker,
        opened(output_to(broker.url, tmp_path, max_packet=Size("1000B"))) as output,
    ):
        first = asyncio.create_task(output.deliver(delivery_of(slow)))
        await asyncio.sleep(0)
        with pytest.raises(Rejected):
            await output.deliver(too_large)
        third = asyncio.create_task(output.deliver(delivery_of(event_with(device="third"))))
        await asyncio.sleep(0.1)
        read.set()
        await asyncio.gather(first, third)
    events = [topic.split("/")[2] for topic in broker.topics if topic.endswith("/event")]
    assert events == ["first", "third"]


async def test_an_output_whose_connection_ends_as_it_opens_is_not_open(tmp_path: Path) -> None:
    """The broker acknowledges `online` and hangs up, all at once."""
    async with HostileBroker(on_state=HANG_UP) as broker:
        with pytest.raises(Unavailable, match="the broker closed the connection: Session taken over"):
            await output_to(broker.url, tmp_path).open()


async def test_closing_is_quick_when_the_broker_is_gone(mosquitto: Mosquitto, tmp_path: Path) -> None:
    output = output_to(mosquitto.url, tmp_path)
    await output.open()
    mosquitto.freeze()
    async with asyncio.timeout(5):
        await output.close()
