"""The event model: what a device saw, in the same words for every vendor. Data only; nothing here talks to anything.

An `Event` is written once, as a CloudEvents 1.0 document, when its push arrives; every output on every attempt
gets exactly that document. Fields name their source in the vehicle-departure protocol V2.0.0.0 in brackets.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol, Self
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Struct

from bridge.formats import measure, media_type

SCHEMA_VERSION = 1
"""Version of the event document; it grows only when a consumer would have to change."""

DATASCHEMA = f"urn:boxbridge:event:{SCHEMA_VERSION}"
"""What `dataschema` says in every document; `boxbridge schema event` prints the schema it stands for."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_TIME_DIGITS = 10
"""Of an event's id: the rest is chance."""
_LONGEST_ID = 200
_REMEMBERED_NAMES = 1024
_UNSAFE = re.compile(r"[/+#%$\s]")
_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/bmp": "bmp", "image/webp": "webp"}


def new_id(received: datetime) -> str:
    """Make an event id: a ULID of the time of receipt, so that ids sort by it (26 characters)."""
    chance = random.getrandbits(80)
    digits = [_PAIRS[chance >> shift & 1023] for shift in range(70, -1, -10)]
    return _time_digits(round(received.timestamp() * 1000)) + "".join(digits)


@lru_cache(2)
def _time_digits(milliseconds: int) -> str:
    return "".join([_PAIRS[milliseconds >> shift & 1023] for shift in range(40, -1, -10)])


def times_of_ids(beginning: str) -> tuple[int, int]:
    """Between which times, in milliseconds since 1970, ids with this beginning are made; (0, -1) where none has it."""
    digits = [_CROCKFORD.find(digit) for digit in beginning[:_TIME_DIGITS]]
    if -1 in digits:
        return 0, -1
    first = 0
    for digit in digits:
        first = first * 32 + digit
    span = 32 ** (_TIME_DIGITS - len(digits))
    return first * span, (first + 1) * span - 1


def utc_now() -> datetime:
    """The time now, in UTC, in whole milliseconds, as all times of an event are."""
    milliseconds = time.time_ns() // 1_000_000
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class PictureLost(Exception):
    """The picture's bytes were damaged on disk: the event is true, its picture is gone for good."""


class PictureSource(Protocol):
    """Where a picture's bytes come from: the push in memory, later the journal."""

    async def read(self, sha256: str) -> bytes:
        """Return the picture; raises PictureLost, and OSError where the disk may give it later."""

    def read_blocking(self, sha256: str) -> bytes:
        """The same for plain functions; may wait for the disk."""


def _described(text: str, **constraints: Any) -> Meta:
    return Meta(description=text, **constraints)


def _time(text: str) -> Meta:
    return _described(f"{text}, UTC, in milliseconds.", extra_json_schema={"format": "date-time"})


Fraction = Annotated[float, _described("Of the scene picture's width or height; 0 is left or top.")]


class Point(Struct, frozen=True, array_like=True):
    """A point in the scene picture, in fractions of its width and height."""

    x: Fraction
    y: Fraction

    def pixels(self, width: int, height: int) -> tuple[int, int]:
        """The same point in pixels of a picture of this size."""
        return round(self.x * width), round(self.y * height)


class Box(Struct, frozen=True, array_like=True):
    """A rectangle in the scene picture: left, top, width and height as fractions of its size."""

    left: Fraction
    top: Fraction
    width: Fraction
    height: Fraction

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels of a picture of this size."""
        return (
            round(self.left * width),
            round(self.top * height),
            round(self.width * width),
            round(self.height * height),
        )


class Device(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The box that sent the event."""

    id: Annotated[str, _described("The name in topics and folders: the configured alias, else uuid, serial or MAC.")]
    serial: Annotated[str, _described("Serial number [deviceInfo.id].")] = ""
    uuid: Annotated[str, _described("Unique identity of the box [deviceInfo.uuid], where it is not the serial.")] = ""
    name: Annotated[str, _described("Name that people gave it [deviceInfo.name].")] = ""
    id_from: Annotated[
        Literal["uuid", "serial", "mac", "peer", "alias"],
        _described("Where `id` came from; `peer` is the sender's address, for want of anything better."),
    ] = "uuid"


class Channel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The camera channel of the box."""

    # From a factory: a plain default would be left out of the document, and every event's has this.
    id: Annotated[str, _described("Channel number as text [channelInfo.channel], or its alias.")] = msgspec.field(
        default_factory=lambda: "0"
    )
    name: Annotated[str, _described("Channel name [channelInfo.name].")] = ""
    comment: Annotated[str, _described("Channel remark [channelInfo.comment].")] = ""
    platform_id: Annotated[str, _described("Id that a platform gave the channel [channelInfo.plat_channel_id].")] = ""


class Skill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The analysis that fired on the box."""

    id: Annotated[str, _described("E.g. `offvehicle` [skillInfo.id].")] = ""
    name: Annotated[str, _described("E.g. `车辆离开` [skillInfo.name].")] = ""
    version: Annotated[str, _described("Four parts, e.g. `2.0.0.0` [skillInfo.version].")] = ""


class Network(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network interface of the box [netInfo], as the box tells it."""

    ip: Annotated[str, _described("Its address [ip].")] = ""
    mac: Annotated[str, _described("Its hardware address [mac].")] = ""
    gateway: Annotated[str, _described("The way out [gateway].")] = ""
    netmask: Annotated[str, _described("Of its network [netmask].")] = ""
    dns: Annotated[str, _described("Who knows names [dns].")] = ""


class Region(Struct, frozen=True, kw_only=True):
    """An area or line drawn on the scene [regionInfo]."""

    id: Annotated[str, _described("Made by the box [regionInfo.id].")]
    name: Annotated[str, _described("Given by its user [regionInfo.name].")] = ""
    kind: Annotated[str, _described("`analysis_area`, `shield_area`, `cross…` [regionInfo.type].")] = ""
    points: Annotated[tuple[Point, ...], _described("The polygon or line [regionInfo.locations].")] = ()


class Attribute(Struct, frozen=True, kw_only=True):
    """One attribute of a target [targetBasicInfo.properties]."""

    key: Annotated[str, _described("Field [key].")]
    label: Annotated[str, _described("Label for people, often Chinese [desc].")] = ""
    value: Annotated[str, _described("Value [value].")] = ""


class Target(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An object in the scene [targetBasicInfo]."""

    track: Annotated[str, _described("Track id, the same as on the box [tracelId or traceId].")] = ""
    box: Annotated[Box | None, _described("Where it is [location]; null where the push does not say.")] = None
    region: Annotated[str, _described("Id of the region it is in [regionId].")] = ""
    attributes: Annotated[tuple[Attribute, ...], _described("What the box says of it [properties].")] = ()
    pictures: Annotated[
        tuple[int, ...], _described("Places in the event's `pictures` of its snapshot [img] and reference [avatar].")
    ] = ()
    extra: Annotated[dict[str, Any], _described("What the push said of it beyond these fields, by path below it.")] = {}


class Picture(Struct, frozen=True, kw_only=True, dict=True):
    """What is known of one picture, and a handle that reads its bytes only when asked."""

    role: Annotated[
        str, _described("`scene` [bg], `target` [img], `reference` [avatar], or `other`: found elsewhere in the push.")
    ]
    media_type: Annotated[str, _described("By the bytes themselves, e.g. `image/jpeg`.")]
    width: Annotated[int | None, _described("Pixels, from the bytes, else as the push says [bgWidth].")]
    height: Annotated[int | None, _described("Pixels, from the bytes, else as the push says [bgHeight].")]
    size: Annotated[int, _described("Bytes.")]
    sha256: Annotated[str, _described("Digest of the bytes, lower-case hex.")]

    @classmethod
    def of(
        cls, role: str, data: bytes, *, width: int | None = None, height: int | None = None, sha256: str = ""
    ) -> Self:
        """What its bytes tell of a picture, for normalizers; `width` and `height` count where they don't tell.

        `sha256`: their digest, where it is known already.
        """
        own_width, own_height = measure(data)
        return cls(
            role=role,
            media_type=media_type(data),
            width=own_width or width,
            height=own_height or height,
            size=len(data),
            sha256=sha256 or hashlib.sha256(data).hexdigest(),
        )

    @property
    def extension(self) -> str:
        """How the name of its file should end: `jpg`, `png`, `gif`, `bmp`, `webp`, else `bin`, without the dot."""
        return _EXTENSIONS.get(self.media_type, "bin")

    def reading_from(self, source: PictureSource) -> Self:
        """Attach the place that the bytes come from."""
        self.__dict__["source"] = source
        return self

    async def read(self) -> bytes:
        """The picture's bytes, from memory or disk.

        Raises PictureLost when they were damaged on disk, and OSError while the disk does not give them: let it
        through, and the event is tried again.
        """
        data: bytes = await self.__dict__["source"].read(self.sha256)
        return data

    def read_blocking(self) -> bytes:
        """`read` for plain functions, which run in a thread of their own."""
        data: bytes = self.__dict__["source"].read_blocking(self.sha256)
        return data


class EventData(Struct, frozen=True, kw_only=True):
    """The `data` of an event document."""

    kind: Annotated[str, _described("The vendor's code for what happened [data.preWarn], else the skill's id.")]
    msg_id: Annotated[str, _described("The push's own id [msg_id].")] = ""
    name: Annotated[str, _described("What happened, for people: the skill's name [skillInfo.name].")] = ""
    description: Annotated[str, _described("A sentence of the box [data.eventDesc].")] = ""
    reported: Annotated[datetime | None, _time("When the box sent it [requestTime, ms]")] = None
    received: Annotated[datetime, _time("When boxbridge received it")]
    time_from: Annotated[
        Literal["device", "receipt"],
        _described("Which clock the event's time is of: the device's, or ours where its time was missing or absurd."),
    ] = "receipt"
    device: Annotated[Device, _described("The box that sent it [deviceInfo].")]
    channel: Annotated[Channel, _described("The camera channel [channelInfo].")] = Channel()
    skill: Annotated[Skill, _described("The analysis that fired [skillInfo].")] = Skill()
    counts: Annotated[dict[str, int], _described("How many, by name [eventInfo.eventName, eventInfo.count].")] = {}
    targets: Annotated[tuple[Target, ...], _described("Objects in the scene [targetBasicInfo].")] = ()
    regions: Annotated[tuple[Region, ...], _described("Areas and lines [regionInfo].")] = ()
    pictures: Annotated[tuple[Picture, ...], _described("The scene first, where there is one.")] = ()
    style: Annotated[dict[str, Any], _described("How the vendor draws [data.style].")] = {}
    frame: Annotated[int | None, _described("Frame number [data.frameIndex].")] = None
    link: Annotated[str, _described("Ties targets of one kind together [data.linkId].")] = ""
    network: Annotated[tuple[Network, ...], _described("Interfaces of the box [netInfo].")] = ()
    normalized: Annotated[
        bool | None, _described("Whether the box sent fractions [data.normalized]; here they always are.")
    ] = None
    dynamic: Annotated[Any, _described("The skill's reserved output [data.dynamicInfo].")] = None
    message: Annotated[str, _described("The kind of message it came in [wsKey].")] = ""
    extra: Annotated[
        dict[str, Any],
        _described(
            "Everything else that the push said, by its path in the push (`message.data.plate`, "
            "`message.netInfo[0].ssid`), as it came; a picture in it stands as `sha256:<digest>`."
        ),
    ] = {}


class Event(EventData, frozen=True, kw_only=True):
    """One event of one device, with its identity and time. Immutable: `with_` makes a changed copy."""

    id: str
    """ULID made at receipt: the same in every output, on every attempt. Deduplicate by it."""
    occurred: datetime
    """When it happened, UTC [data.timestamp, ms]; `time_from` says whose clock that is."""
    site: str = ""
    """The installation's name, from the configuration."""

    @property
    def scene(self) -> Picture | None:
        """The picture of the whole scene, or None where the push had none."""
        for picture in self.pictures:
            if picture.role == "scene":
                return picture
        return None

    def with_(self, **changes: Any) -> Event:
        """A copy with these fields changed, for `prepare_event`."""
        return msgspec.structs.replace(self, **changes)

    def reading_from(self, source: PictureSource) -> Event:
        """Attach the place that its pictures' bytes come from."""
        for picture in self.pictures:
            picture.reading_from(source)
        return self

    def reading_as(self, other: Event) -> Event:
        """Attach the places that the same pictures of another come from."""
        for picture, same in zip(self.pictures, other.pictures, strict=True):
            picture.__dict__.update(same.__dict__)
        return self


class EventDocument(Struct, frozen=True, kw_only=True):
    """An event as it travels: CloudEvents 1.0, structured JSON."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, _described("The event's id, a ULID; consumers deduplicate by it.")]
    source: Annotated[str, _described("/<site>/<device>/<channel>")]
    type: Annotated[str, _described("boxbridge.event.<kind>")]
    time: Annotated[datetime, _time("When it happened")]
    subject: Annotated[str, _described("<device>/<channel>")]
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str = DATASCHEMA
    data: EventData


_DATA_FIELDS = EventData.__struct_fields__
_OWN_FIELDS = {*Event.__struct_fields__} - {*_DATA_FIELDS}
"""What stands beside an event's data, not in it."""
_WITH_MICROSECONDS = len('"2023-11-20T06:39:47.132000Z"')
_IN_SECONDS = len('"2023-11-20T06:39:47Z"')
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(EventDocument)


@lru_cache(_REMEMBERED_NAMES)
def escape(name: str) -> str:
    """Make one segment of a topic or URI path of an id in any script: only what would break one becomes %xx.

    That is `/ + # % $`, blanks and control characters, so two ids never share a segment.
    """
    if not name:
        return "%"
    if name.isprintable() and not _UNSAFE.search(name):
        return name
    return "".join(
        "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        if _UNSAFE.match(character) or not character.isprintable()
        else character
        for character in name
    )


def shortened(name: str) -> str:
    """An id as it is remembered: of one with more than 200 characters the first ones, `+` and a digest of all.

    So two ids stay two, and nobody fills memory with them.
    """
    if len(name) <= _LONGEST_ID:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:20]
    return f"{name[: _LONGEST_ID - 21]}+{digest}"


def encode_document(event: Event) -> bytes:
    """The event as its document's bytes, to be stored and sent as they are."""
    subject = f"{escape(event.device.id)}/{escape(event.channel.id)}"
    fields = msgspec.structs.asdict(event)
    for field in _OWN_FIELDS:
        del fields[field]
    fields["received"] = _written(event.received)
    if event.reported is not None:
        fields["reported"] = _written(event.reported)
    return _encoder.encode(
        EventDocument(
            id=event.id,
            source=f"/{escape(event.site)}/{subject}",
            type=f"boxbridge.event.{event.kind}",
            time=_written(event.occurred),
            subject=subject,
            data=EventData(**fields),
        )
    )


def _written(time: datetime) -> Any:
    """A time as it stands in a document: in milliseconds, as devices tell it, where msgspec writes microseconds."""
    text = _encoder.encode(time)
    if len(text) == _WITH_MICROSECONDS:
        return msgspec.Raw(text[:-5] + b'Z"')
    return msgspec.Raw(text[:-2] + b'.000Z"') if len(text) == _IN_SECONDS else time  # one of another zone, by a plugin


def decode_document(document: bytes) -> Event:
    """The event of a document; raises msgspec.DecodeError."""
    read = _decoder.decode(document)
    site = read.source.split("/", 2)[1]
    return Event(
        id=read.id,
        occurred=read.time,
        site="" if site == escape("") else unquote(site),
        **{field: getattr(read.data, field) for field in _DATA_FIELDS},
    )


def document_schema() -> dict[str, Any]:
    """JSON Schema of the event document."""
    schema = msgspec.json.schema(EventDocument)
    schema["$defs"]["EventData"]["required"] = list(schema["$defs"]["EventData"]["properties"])  # it is always whole
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": DATASCHEMA, **schema}
