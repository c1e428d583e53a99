"""Passwords, certificates and limits, with mosquitto, which has them all."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from PIL import Image

from bridge import Duration, Rejected, Secret, Size, Stopped, Unavailable
from bridge_mqtt import fit
from bridge_mqtt.output import Mqtt
from tests.brokers import Mosquitto, Subscriber
from tests.certificates import locked, self_signed
from tests.plugins.certificates import Certificates
from tests.plugins.mqtt.hostile import HostileBroker
from tests.plugins.mqtt.sending import delivery_of, event_with, opened, output_to

pytestmark = pytest.mark.anyio
CHANNEL = "boxbridge/plant-a/gate-3/1"


class StartMosquitto(Protocol):
    def __call__(self, settings: str = "allow_anonymous true", listener: str = "") -> Mosquitto: ...


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[StartMosquitto]:
    """Starts a mosquitto with settings of the test's own."""
    if reason := Mosquitto.missing():
        pytest.skip(reason)
    with ExitStack() as running:

        def start(settings: str = "allow_anonymous true", listener: str = "") -> Mosquitto:
            return running.enter_context(Mosquitto(tmp_path / "mosquitto", settings, listener))

        yield start


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    if not shutil.which("mosquitto_passwd"):
        pytest.skip("mosquitto_passwd is not installed (Debian: apt-get install mosquitto)")
    file = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", file, "boxbridge", "right"], check=True)
    return file


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_the_right_password_opens_and_a_wrong_one_stops_the_output(
    start_mosquitto: StartMosquitto, password_file: Path, tmp_path: Path, protocol: str
) -> None:
    broker = start_mosquitto(f"password_file {password_file}\nallow_anonymous false")

    def output(password: str) -> Mqtt:
        return output_to(broker.url, tmp_path, username="boxbridge", password=Secret(password), protocol=protocol)

    async with opened(output("right")) as right:
        await right.deliver(delivery_of(event_with()))
    with pytest.raises(Stopped, match=r"the broker refuses the connection: (Not authorized|Bad user name)") as stopped:
        await output("wrong").open()
    assert "wrong" not in str(stopped.value)
    with pytest.raises(Stopped):
        await output_to(broker.url, tmp_path, protocol=protocol).open()


async def test_a_topic_that_is_not_allowed_rejects_the_event(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite boxbridge/plant-a/state\n")
    acl.chmod(0o600)
    broker = start_mosquitto(f"allow_anonymous true\nacl_file {acl}")
    async with opened(output_to(broker.url, tmp_path)) as output:
        with pytest.raises(Rejected, match="Not authorized"):
            await output.deliver(delivery_of(event_with()))


async def test_a_picture_that_is_too_large_is_left_out_while_all_else_passes(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = start_mosquitto("allow_anonymous true\nmax_packet_size 100000")
    large, small = delivery_of(event_with(b"x" * 100_001, b"car")), delivery_of(event_with(b"x" * 99_000))
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        output = output_to(broker.url, tmp_path)
        assert await output.open() == "MQTT 5, packets up to 100 kB, 20 messages under way at a time"
        told = await output.deliver(large)
        assert await output.deliver(small) == ""
        await subscriber.until(lambda got: len(got.on(f"{CHANNEL}/event")) >= 2)
        await output.close()
    assert subscriber.topics == [
        f"{CHANNEL}/picture/target/1",
        f"{CHANNEL}/event",
        f"{CHANNEL}/picture",
        f"{CHANNEL}/event",
    ]
    reason = subscriber.on(f"{CHANNEL}/event")[0].properties["picture"]
    assert reason == told == "scene: left out, 100 kB is larger than the broker's packets of 100 kB"


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_packet_of_just_the_limit_passes_and_the_connection_survives_one_above_it(
    start_mosquitto: StartMosquitto, tmp_path: Path, excess: int
) -> None:
    broker = start_mosquitto("allow_anonymous true\nmax_packet_size 5000")
    lost: list[BaseException] = []
    async with opened(output_to(broker.url, tmp_path, lost.append)) as output:
        for size in range(4850 + excess, 5010, 10):
            await output.deliver(delivery_of(event_with(b"x" * size)))
    assert lost == []


async def test_a_document_that_is_too_large_is_rejected(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    broker = start_mosquitto("allow_anonymous true\nmax_packet_size 2000")
    event = event_with(None).with_(extra={"long": "x" * 2000})
    async with opened(output_to(broker.url, tmp_path)) as output:
        with pytest.raises(Rejected, match=r"the event document: .* is larger than the broker's packets of 2 kB"):
            await output.deliver(delivery_of(event))
        await output.deliver(delivery_of(event_with(None)))


async def test_a_limit_that_the_broker_keeps_to_itself_can_be_configured(mosquitto: Mosquitto, tmp_path: Path) -> None:
    output = output_to(mosquitto.url, tmp_path, max_packet=50_000)
    with Subscriber(mosquitto, f"{CHANNEL}/#") as subscriber:
        async with opened(output):
            await output.deliver(delivery_of(event_with(b"x" * 60_000)))
        await subscriber.until(lambda got: got.messages)
    assert subscriber.topics == [f"{CHANNEL}/event"]


async def test_a_broker_that_keeps_no_messages_gets_none_to_keep(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = start_mosquitto("allow_anonymous true\nretain_available false")
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        output = output_to(broker.url, tmp_path)
        assert (await output.open()).endswith(", no retained messages")
        await output.deliver(delivery_of(event_with()))
        await subscriber.until(lambda got: got.on(f"{CHANNEL}/event"))
        await output.close()
    assert subscriber.topics == [f"{CHANNEL}/picture", f"{CHANNEL}/event"]


async def test_a_broker_that_acknowledges_nothing_by_its_own_word_stops_the_output(tmp_path: Path) -> None:
    async with HostileBroker(connack=b"\x00\x00\x02\x24\x00") as broker:
        with pytest.raises(Stopped, match="Maximum QoS 0"):
            await output_to(broker.url, tmp_path).open()


async def test_a_picture_is_reduced_to_fit_where_its_owner_allows(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = start_mosquitto("allow_anonymous true\nmax_packet_size 40000")
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(broker.url, tmp_path, fit="reduce")) as output:
            told = await output.deliver(delivery_of(event_with(noise(800, 600), b"x" * 50_000)))
        await subscriber.until(lambda got: got.on(f"{CHANNEL}/event"))
    assert subscriber.topics == [f"{CHANNEL}/picture", f"{CHANNEL}/event"]
    picture = subscriber.on(f"{CHANNEL}/picture")[0]
    assert 10_000 < len(picture.payload) < 40_000
    with Image.open(io.BytesIO(picture.payload)) as shown:
        assert shown.format == "JPEG"
        assert shown.width * 3 == pytest.approx(shown.height * 4, rel=0.02)
    scene, target = told.split("; target: ")
    assert re.fullmatch(r"scene: reduced to \d+x\d+, [\d.]+ kB; [\d.]+ kB is larger than .* of 40 kB", scene)
    assert target == "left out, 50.1 kB is larger than the broker's packets of 40 kB, and can't be reduced to fit"


async def test_a_picture_inside_the_document_is_left_out_where_it_has_no_room(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    broker = start_mosquitto("allow_anonymous true\nmax_packet_size 40000")
    event = event_with(b"x" * 40_000, b"small")
    with Subscriber(broker, f"{CHANNEL}/#") as subscriber:
        async with opened(output_to(broker.url, tmp_path, picture="inline")) as output:
            assert (await output.deliver(delivery_of(event))).startswith("scene: left out, ")
        await subscriber.until(lambda got: got.messages)
    assert subscriber.topics == [f"{CHANNEL}/event"]
    entries = json.loads(subscriber.messages[0].payload)["data"]["pictures"]
    assert ["data_base64" in entry for entry in entries] == [False, True]


def test_what_would_take_too_much_memory_or_what_no_box_sends_is_not_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, other = noise(100, 100), io.BytesIO()
    assert fit.reduced(picture, 4000)[0]
    Image.new("RGB", (100, 100)).save(other, "TIFF")
    assert fit.reduced(other.getvalue(), 4000) == (None, "")
    monkeypatch.setattr(fit, "_MOST_PIXELS", 100 * 100 - 1)
    assert fit.reduced(picture, 4000) == (None, "")


async def test_a_picture_beside_which_there_is_no_room_at_all_is_left_out_and_not_reduced(tmp_path: Path) -> None:
    delivery = delivery_of(event_with(noise(100, 100)))
    just = Size(f"{len(delivery.document) + 440}B")
    async with (
        HostileBroker() as broker,
        opened(output_to(broker.url, tmp_path, picture="inline", fit="reduce", max_packet=just)) as output,
    ):
        assert re.match("scene: left out, .* can't be reduced to fit$", await output.deliver(delivery))


def noise(width: int, height: int) -> bytes:
    """A JPEG that hardly shrinks."""
    target = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(7).randbytes(width * height * 3)).save(target, "JPEG")
    return target.getvalue()


@pytest.fixture
def secured(start_mosquitto: StartMosquitto, certificates: Certificates) -> Mosquitto:
    """A broker that speaks TLS and wants to see a client certificate."""
    shown = f"certfile {certificates.path('server')}\nkeyfile {certificates.key('server')}"
    files = f"cafile {certificates.ca}\n{shown}"
    return start_mosquitto(listener=f"{files}\nrequire_certificate true")


def client(certificates: Certificates) -> dict[str, str]:
    """Options that show a client's certificate."""
    return {"cert": str(certificates.path("client")), "key": str(certificates.key("client"))}


def over_tls(broker: Mosquitto) -> str:
    return broker.url.replace("mqtt://", "mqtts://")


async def test_events_pass_over_tls_with_a_client_certificate(
    secured: Mosquitto, certificates: Certificates, tmp_path: Path
) -> None:
    files = {"ca": str(certificates.ca), **client(certificates)}
    output = output_to(over_tls(secured), tmp_path, **files)
    assert await output.open() == "MQTT 5 over TLS, 20 messages under way at a time"
    for _ in range(5):
        await output.deliver(delivery_of(event_with(b"x" * 300_000, *([b"car"] * 40))))
    await output.close()


async def test_two_packets_in_one_tls_record_are_both_read(certificates: Certificates, tmp_path: Path) -> None:
    disconnect = b"\xe0\x02\x8b\x00"
    async with HostileBroker(on_state=None, and_then=disconnect, tls=certificates.server("server")) as broker:
        with pytest.raises(Unavailable, match="the broker closed the connection: Server shutting down"):
            await output_to(broker.url, tmp_path, ca=str(certificates.ca), ack_timeout=Duration("2s")).open()


async def test_a_broker_of_another_authority_is_unavailable_and_the_reason_is_clear(
    secured: Mosquitto, certificates: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="the broker's certificate is not accepted: "):
        await output_to(over_tls(secured), tmp_path, ca=str(certificates.path("stranger"))).open()


async def test_insecure_takes_any_certificate(secured: Mosquitto, certificates: Certificates, tmp_path: Path) -> None:
    assert (
        await output_to(over_tls(secured), tmp_path, insecure=True, **client(certificates)).check()
        == "MQTT 5 over TLS, 20 messages under way at a time"
    )


async def test_a_missing_client_certificate_is_named_as_a_likely_reason(
    secured: Mosquitto, certificates: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="may want to see a client certificate"):
        await output_to(over_tls(secured), tmp_path, ca=str(certificates.ca)).open()


async def test_a_port_without_tls_is_unavailable(
    mosquitto: Mosquitto, certificates: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+: "):
        await output_to(over_tls(mosquitto), tmp_path, ca=str(certificates.ca)).open()


@pytest.mark.parametrize("option", ["ca", "cert"])
async def test_a_certificate_file_that_is_not_there_stops_the_output(tmp_path: Path, option: str) -> None:
    with pytest.raises(Stopped, match=f"{option} file .*nothing.pem can't be used: No such file"):
        await output_to("mqtts://127.0.0.1:1", tmp_path, **{option: str(tmp_path / "nothing.pem")}).open()


async def test_a_key_with_a_pass_phrase_stops_the_output_and_asks_nobody(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    with pytest.raises(Stopped, match="its key is encrypted"):
        await output_to("mqtts://127.0.0.1:1", tmp_path, cert=str(cert), key=str(locked(key))).open()


async def test_where_names_no_picture_that_the_broker_has_no_room_for(tmp_path: Path) -> None:
    output = output_to("mqtt://127.0.0.1:1", tmp_path)
    delivery = delivery_of(event_with(b"x" * 5_000))
    assert output.where(delivery).splitlines() == [f"{CHANNEL}/picture", f"{CHANNEL}/event"]
    packets_of_3000_bytes = b"\x00\x00\x05\x27\x00\x00\x0b\xb8"
    async with (
        HostileBroker(connack=packets_of_3000_bytes) as broker,
        opened(output_to(broker.url, tmp_path)) as connected,
    ):
        assert connected.where(delivery).splitlines() == [f"{CHANNEL}/event"]
