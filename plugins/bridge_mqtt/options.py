"""The keys of `[output.NAME]` with `type = "mqtt"`, and what can be told wrong with them before anything connects."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from bridge import Duration, File, Secret, Size
from bridge_mqtt.topics import Templates

_YEAR = 365 * 86400
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Address(NamedTuple):
    """Where the broker is."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Options(Struct, frozen=True, kw_only=True):
    """The options of the MQTT output."""

    url: Annotated[
        str,
        Meta(
            description="The broker: mqtt://host[:1883], or mqtts://host[:8883] for TLS.",
            examples=["mqtt://192.168.1.10"],
        ),
    ]
    username: Annotated[str, Meta(description='User name at the broker; "" for none.')] = ""
    password: Annotated[Secret | None, Meta(description="Password at the broker.")] = None
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"], Meta(description="MQTT version; auto tries 5 and falls back to 3.1.1.")
    ] = "auto"
    client_id: Annotated[
        str, Meta(description="Name of this connection at the broker; made of site, output and host if left out.")
    ] = ""
    base: Annotated[str, Meta(description="First part of all topics.", min_length=1)] = "boxbridge"
    topics: Annotated[Templates, Meta(description="Where each thing goes, by templates.")] = Templates()
    picture: Annotated[
        Literal["topic", "inline", "url", "none"],
        Meta(
            description="topic: pictures on topics of their own; inline: in the document, base64; url: links to them; "
            "none: no pictures."
        ),
    ] = "topic"
    fit: Annotated[
        Literal["leave_out", "reduce"],
        Meta(description="A picture larger than the broker's packets is left out, or a smaller one is made of it."),
    ] = "leave_out"
    retain_picture: Annotated[
        bool, Meta(description="Whether the broker keeps each channel's latest scene for new subscribers.")
    ] = True
    annotated: Annotated[
        bool,
        Meta(description="Also publish a copy of the scene with regions, boxes, tracks and counts drawn on it."),
    ] = False
    max_packet: Annotated[
        Annotated[Size, Meta(ge=1000)] | None,
        Meta(description="Largest packet that the broker takes, where it does not say so itself."),
    ] = None
    message_expiry: Annotated[
        Duration,
        Meta(description="MQTT 5: the broker gives events and pictures to nobody after it; 0s: never.", le=_YEAR),
    ] = Duration("0s")
    session_expiry: Annotated[
        Duration, Meta(description="MQTT 5: the broker knows this connection so long after it broke.", le=_YEAR)
    ] = Duration("0s")
    will_delay: Annotated[
        Duration, Meta(description="MQTT 5: the broker says offline only after it; needs session_expiry.", le=_YEAR)
    ] = Duration("0s")
    offline_after: Annotated[
        Duration, Meta(description="A device that was not heard for so long is offline.", ge=1, le=_YEAR)
    ] = Duration("10m")
    homeassistant: Annotated[bool, Meta(description="Whether Home Assistant is to find the devices by itself.")] = False
    homeassistant_prefix: Annotated[
        str, Meta(description="Home Assistant's discovery prefix, as set there.", min_length=1, pattern=r"^[^+#$\s]+$")
    ] = "homeassistant"
    ca: Annotated[
        File | None,
        Meta(
            description="PEM file of the authorities to trust with mqtts://, instead of the system's.",
            examples=["secrets/ca.pem"],
        ),
    ] = None
    cert: Annotated[
        File | None,
        Meta(description="PEM file of the certificate to show to the broker.", examples=["secrets/boxbridge.pem"]),
    ] = None
    key: Annotated[
        File | None,
        Meta(
            description="PEM file of the certificate's private key, if not in the same file.",
            examples=["secrets/boxbridge.key"],
        ),
    ] = None
    insecure: Annotated[bool, Meta(description="true: don't verify who the broker is. For trials only.")] = False
    keepalive: Annotated[Duration, Meta(description="A silent connection is tested this often.", ge=1, le=65535)] = (
        Duration("30s")
    )
    connect_timeout: Annotated[
        Duration,
        Meta(
            description="Name look-up, connection, TLS and the broker's answer together may take this long.",
            ge=0.1,
            le=3600,
        ),
    ] = Duration("10s")
    ack_timeout: Annotated[
        Duration,
        Meta(
            description="A broker that acknowledges nothing for this long is left and connected again.", ge=0.1, le=3600
        ),
    ] = Duration("20s")

    def faults(self) -> Iterator[Iterator[str]]:
        """What is wrong with them, "key: what is wrong", in groups."""
        yield self._faults_of_url()
        yield self._faults_of_base()
        yield self._faults_of_pictures()
        yield self._faults_of_login()
        yield self._faults_of_keeping()

    def _faults_of_base(self) -> Iterator[str]:
        if any(character in self.base for character in "+#\0") or self.base[0] in "$/" or self.base[-1] == "/":
            yield f'base: "{self.base}" is no beginning of a topic; "boxbridge" or "plant/boxes" would be'

    def _faults_of_pictures(self) -> Iterator[str]:
        if self.annotated and self.picture != "topic":
            yield 'annotated: needs picture = "topic"'
        if self.fit == "reduce" and not find_spec("PIL"):
            yield 'fit: "reduce" needs Pillow: pip install "boxbridge[annotate]"'

    def _faults_of_login(self) -> Iterator[str]:
        if self.key and not self.cert:
            yield "key: needs cert beside it"
        if self.password and not self.username:
            yield "password: needs username beside it"

    def _faults_of_keeping(self) -> Iterator[str]:
        if self.will_delay > self.session_expiry:
            yield "will_delay: is longer than session_expiry, at whose end the broker says offline anyway"
        if self.homeassistant and any("{kind}" in each for each in (self.topics.event, self.topics.picture)):
            yield "homeassistant: needs one topic a channel, so topics may not hold {kind}"

    def _faults_of_url(self) -> Iterator[str]:
        try:
            tls = self.address.tls
        except ValueError as error:
            yield f"url: {error}"
            return
        for name in ("ca", "cert", "key", "insecure"):
            if getattr(self, name) and not tls:
                yield f"{name}: is for TLS, so url has to begin with mqtts://"

    @property
    def address(self) -> Address:
        """Host, port and whether TLS; raises ValueError with what is wrong with the url."""
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
        except ValueError:  # which may quote a password
            raise ValueError("is no address; mqtt://192.168.1.10 would be one") from None
        if parts.scheme not in _PORTS or not host or host.split() != [host]:
            raise ValueError("has to be mqtt://host[:port] or mqtts://host[:port]")
        if parts.username is not None:
            raise ValueError("user name and password belong in username and password")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("nothing may follow host and port")
        return Address(host, _port(parts.netloc, _PORTS[parts.scheme]), tls=parts.scheme == "mqtts")


def _port(netloc: str, default: int) -> int:
    text = netloc.rpartition("]")[2].partition(":")[2]
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ValueError(f"port {text} is not between 1 and 65535")
    return int(text)
