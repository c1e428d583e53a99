"""What stands in the configuration, as typed structs. Each description is the key's documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from bridge import __version__
from bridge.config.defaults import SYSTEM_FOLDER
from bridge.config.protocol import ProtocolSettings
from bridge.options import Duration, Rate, Secret, Share, Size
from bridge.output import OutputContext

SOCKET = "boxbridge.sock"
"""The commands' way to a running daemon, below `data`."""
LINKS = "links.key"
"""What signs links to events, below `data`."""
JOURNAL, UNKNOWN = "journal", "unknown"
"""The folders of events, and of pushes that nothing understood, below `data`. No output may write there."""
LEAST_QUOTA = 100_000_000
"""Bytes: with less, the journal would soon refuse pushes."""
PLUGINS_DIR = SYSTEM_FOLDER / "plugins"
"""Where drop-in plugins are looked for if the configuration says nothing."""
LONGEST_SOCKET_PATH = 107
"""Bytes, Linux's limit."""

_YEARS = 3650 * 86400
"""Longer than anybody means, and short enough to be added to any date."""
_PushRate = Annotated[Rate, Meta(ge=1 / 3600, le=10_000)]


class ServerSettings(Struct, frozen=True, kw_only=True):
    """[server]: the listener for devices."""

    listen: Annotated[str, Meta(description="Address and port that devices push to.")] = "0.0.0.0:8600"
    allow: Annotated[
        list[str],
        Meta(description="Networks that may push; any address if left out.", examples=[["192.168.0.0/16"]]),
    ] = []
    token: Annotated[
        Secret | None,
        Meta(description="What a box must show: http://host:8600/TOKEN/…, ?token=TOKEN, or as a bearer's."),
    ] = None
    cert: Annotated[
        Path | None,
        Meta(description="PEM file of a certificate: devices push to https://.", examples=["secrets/server.pem"]),
    ] = None
    key: Annotated[
        Path | None,
        Meta(description="PEM file of its private key, if not in the same file.", examples=["secrets/server.key"]),
    ] = None
    rate: Annotated[
        _PushRate | None,
        Meta(description="How often each device may push; what is more is refused with 429.", examples=["10/s"]),
    ] = None
    max_body: Annotated[Size, Meta(description="Largest push that is taken.", ge=1000, le=64_000_000)] = Size("16MB")

    def __post_init__(self) -> None:
        """Raise ValueError where a key can't be meant so."""
        if self.key and not self.cert:
            raise ValueError("key: needs cert beside it")


class JournalSettings(Struct, frozen=True, kw_only=True):
    """[journal]: what is kept on disk."""

    quota: Annotated[
        Annotated[Share, Meta(ge=0.01, le=1)] | Annotated[Size, Meta(ge=LEAST_QUOTA)],
        Meta(description='What it may take: of the disk, or a size as "20GB".'),
    ] = Share("20%")
    when_full: Annotated[
        Literal["refuse", "shed_pictures"],
        Meta(description="What goes first: new pushes, or the oldest pictures that wait."),
    ] = "refuse"
    keep: Annotated[
        Duration, Meta(description="How long events live on after every output has them.", ge=60, le=_YEARS)
    ] = Duration("7d")
    history: Annotated[
        Duration, Meta(description="How long they live on without pictures; less than keep: not at all.", le=_YEARS)
    ] = Duration("400d")
    keep_dead: Annotated[
        Duration,
        Meta(description="How long dead letters are kept, the newest 10,000 of each output.", ge=3600, le=_YEARS),
    ] = Duration("30d")


class ControlSettings(Struct, frozen=True, kw_only=True):
    """[control]: for people and monitoring; the commands use a unix socket below `data`."""

    listen: Annotated[
        str, Meta(description='Address and port; "" for none; one that others can reach needs the password.')
    ] = "127.0.0.1:8601"
    password: Annotated[
        Secret | None, Meta(description="What `boxbridge password` makes; then everybody on this port is asked for it.")
    ] = None
    address: Annotated[
        str | None,
        Meta(
            description="Where people reach it from outside: outputs may then send links to events.",
            examples=["https://bridge.example"],
        ),
    ] = None


class DeviceSettings(Struct, frozen=True, kw_only=True):
    """[device.SERIAL]: a device's other names, and how it may push; by its serial number or uuid."""

    id: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Its name in topics and folders.", examples=["gate-3"]),
    ] = None
    name: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="Its name for people.", examples=["Gate 3"])
    ] = None
    address: Annotated[
        str | list[str] | None,
        Meta(description="Where alone it may push from: an address, a network, or a list.", examples=["192.168.1.20"]),
    ] = None
    rate: Annotated[
        _PushRate | None, Meta(description="How often it may push, if not as `[server] rate` says.", examples=["10/s"])
    ] = None
    channels: Annotated[
        dict[str, Annotated[str, Meta(min_length=1)]],
        Meta(description="Names of its channels, by channel number.", examples=[{"1": "north"}]),
    ] = {}

    @property
    def networks(self) -> list[str]:
        """Where it may push from."""
        return [self.address] if isinstance(self.address, str) else self.address or []

    def faults(self) -> Iterator[str]:
        """Two channels must not share a name: their topics and folders would be the same."""
        taken: dict[str, str] = {}
        for number, name in self.channels.items():
            if taken.setdefault(name, number) != number:
                yield f'channels: "{name}" is the name of channel {taken[name]} already'


Globs = tuple[str, ...]
"""Names as a shell has them: `*` is any text, `?` one character, `[ab]` one of these."""


class Only(Struct, frozen=True, kw_only=True):
    """`only` of an output: the events that it is about, by names; each list that is there must have one that fits."""

    kind: Annotated[Globs | None, Meta(description="Kinds.", examples=[["pre_offvehicle", "fire*"]])] = None
    device: Annotated[
        Globs | None, Meta(description="Devices, by id, serial number or uuid.", examples=[["gate-3"]])
    ] = None
    channel: Annotated[Globs | None, Meta(description="Channels, by id or name.", examples=[["1"]])] = None
    skill: Annotated[Globs | None, Meta(description="Skills, by id or name.", examples=[["offvehicle"]])] = None

    def faults(self) -> Iterator[str]:
        """Where nothing would pass, or all."""
        lists = {field: getattr(self, field) for field in self.__struct_fields__}
        if all(globs is None for globs in lists.values()):
            yield f"names nothing: give {', '.join(lists)}, or leave it out"
        for field, globs in lists.items():
            if globs is not None and not all(glob.strip() for glob in globs or [""]):
                yield f'{field}: is empty, so that nothing would pass: name what should, or "*" for all'


class AtMost(Struct, frozen=True, kw_only=True):
    """`at_most` of an output: of many alike only the first ones."""

    count: Annotated[int, Meta(description="So many pass", ge=1, le=1_000_000)] = 1
    per: Annotated[Duration, Meta(description="within this time,", ge=0.1, le=_YEARS, examples=["30s"])]
    by: Annotated[
        tuple[Literal["kind", "device", "channel", "skill"], ...],
        Meta(description="counted apart for each of these; together if left out.", examples=[["channel", "kind"]]),
    ] = ()


class OutputSettings(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """[output.NAME]: the keys that every output has."""

    type: Annotated[str, Meta(description="Which plugin brings the events out.", examples=["mqtt"])]
    enabled: Annotated[bool, Meta(description="false pauses it: its events wait.")] = True
    from_: Annotated[
        Literal["now", "oldest"], Meta(description="Where a new output begins: with the next event, or the oldest.")
    ] = "now"
    only: Annotated[
        Only | None,
        Meta(
            description="Only events with such names are for it; `*` is any text.",
            examples=[{"kind": ["pre_offvehicle", "fire*"], "device": ["gate-3"]}],
        ),
    ] = None
    at_most: Annotated[
        AtMost | None,
        Meta(
            description="Of many alike only the first ones; the rest is skipped.",
            examples=[{"count": 1, "per": "30s", "by": ["channel", "kind"]}],
        ),
    ] = None
    max_age: Annotated[
        Annotated[Duration, Meta(ge=1, le=_YEARS)] | None,
        Meta(description="Events that are older when their turn comes are skipped.", examples=["10m"]),
    ] = None
    backlog: Annotated[
        Annotated[Duration, Meta(ge=3600, le=_YEARS)] | Annotated[Size, Meta(ge=1_000_000)] | Literal["all"],
        Meta(description='What it may hold back while it is away, also as "5GB" or "all"; the rest is skipped.'),
    ] = Duration("30d")
    in_flight: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="Events under way at once; 64, or 1 for a plain `deliver`.", examples=[64]),
    ] = None
    timeout: Annotated[Duration, Meta(description="No answer within it counts as unavailable.", ge=0.1, le=86400)] = (
        Duration("30s")
    )
    retry_for: Annotated[Duration, Meta(description="How long one failing event is tried; 0s: once.", le=_YEARS)] = (
        Duration("24h")
    )
    options: Struct
    """The keys of its type, not a key itself."""


class Settings(Struct, frozen=True, kw_only=True):
    """The whole configuration."""

    site: Annotated[
        str,
        Meta(
            description="The installation's name in topics and event sources; else the host's.",
            examples=["plant-a"],
            min_length=1,
        ),
    ]
    data: Annotated[
        Path,
        Meta(
            description="Folder of journal, archive and socket; else the service's, else ./boxbridge-data.",
            examples=["/var/lib/boxbridge"],
        ),
    ]
    timezone: Annotated[
        ZoneInfo,
        Meta(
            description="For device times without a zone, folders, times shown to people; else the system's.",
            examples=["Asia/Shanghai"],
        ),
    ]
    late_after: Annotated[Duration, Meta(description="Older than this when delivered: old news.", ge=1, le=_YEARS)] = (
        Duration("5m")
    )
    plugins_dir: Annotated[Path, Meta(description="Folder of drop-in plugins, *.py.")] = PLUGINS_DIR
    server: ServerSettings = ServerSettings()
    journal: JournalSettings = JournalSettings()
    control: ControlSettings = ControlSettings()
    output: dict[str, OutputSettings] = {}
    device: dict[str, DeviceSettings] = {}
    protocol: dict[str, ProtocolSettings] = {}

    def context(self, output: str) -> OutputContext:
        """What the output with this name is told about the place it runs in."""
        return OutputContext(
            name=output,
            options=self.output[output].options,
            site=self.site,
            data=self.data,
            timezone=self.timezone,
            version=__version__,
        )
