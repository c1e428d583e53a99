"""The keys of `[output.NAME]` with `type = "mqtt"`, and what can be told wrong with them before anything connects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from bridge import Duration, Secret, Size

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
    picture: Annotated[
        Literal["topic", "none"], Meta(description="topic: pictures on topics of their own; none: no pictures.")
    ] = "topic"
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
    ca: Annotated[
        Path | None,
        Meta(
            description="PEM file of the authorities to trust with mqtts://, instead of the system's.",
            examples=["secrets/ca.pem"],
        ),
    ] = None
    cert: Annotated[
        Path | None,
        Meta(description="PEM file of the certificate to show to the broker.", examples=["secrets/boxbridge.pem"]),
    ] = None
    key: Annotated[
        Path | None,
        Meta(
            description="PEM file of the certificate's private key, if not in the same file.",
            examples=["secrets/boxbridge.key"],
        ),
    ] = None
    insecure: Annotated[bool, Meta(description="true: don't verify who the broker is. For trials only.")] = False
    keepalive: Annotated[Duration, Meta(description="A silent connection is tested this often.")] = Duration("30s")
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

    def __post_init__(self) -> None:
        """Raises ValueError, "key: what is wrong"."""
        address = self.address
        if any(character in self.base for character in "+#\0") or self.base[0] in "$/" or self.base[-1] == "/":
            raise ValueError(f'base: "{self.base}" is no beginning of a topic; "boxbridge" or "plant/boxes" would be')
        if self.annotated and self.picture == "none":
            raise ValueError('annotated: needs picture = "topic"')
        if self.password and not self.username:
            raise ValueError("password: needs username beside it")
        for name in ("ca", "cert", "key", "insecure"):
            if getattr(self, name) and not address.tls:
                raise ValueError(f"{name}: is for TLS, so url has to begin with mqtts://")
        if self.key and not self.cert:
            raise ValueError("key: needs cert beside it")
        if not 1 <= self.keepalive <= 65535:
            raise ValueError(f"keepalive: {self.keepalive} is not between 1s and 65535s")

    @property
    def address(self) -> Address:
        """Host, port and whether TLS; raises ValueError where the url is none."""
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
        except ValueError as error:
            raise ValueError(f"url: is no address ({error}); mqtt://192.168.1.10 would be one") from None
        if parts.scheme not in _PORTS or not host:
            raise ValueError("url: has to be mqtt://host[:port] or mqtts://host[:port]")
        if parts.username is not None:
            raise ValueError("url: user name and password belong in username and password")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("url: nothing may follow host and port")
        return Address(host, _port(parts.netloc, _PORTS[parts.scheme]), tls=parts.scheme == "mqtts")


def _port(netloc: str, default: int) -> int:
    text = netloc.rpartition("]")[2].partition(":")[2]
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ValueError(f"url: port {text} is not between 1 and 65535")
    return int(text)
