"""What an output has seen of devices, kept in a file: a replaced broker gets it again, also after a restart."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from bridge import Event

_MOST_DEVICES: Final = 1000
_MOST_CHANNELS: Final = 256
_MOST_NAMES: Final = 64
"""Of kinds or counts of one channel: whoever makes up names fills neither memory nor the broker."""
_LONGEST: Final = 200
"""Characters of what a device or a channel is called; a count with a longer name has no sensor."""
_MOST_NOTED: Final = 10_000


class KnownChannel(Struct, kw_only=True):
    """A channel of a device, with what came of it."""

    name: str = ""
    kinds: list[str] = []
    counts: list[str] = []


class KnownDevice(Struct, kw_only=True):
    """A device that sent events."""

    name: str = ""
    serial: str = ""
    channels: dict[str, KnownChannel] = {}


_Known = TypeVar("_Known", KnownDevice, KnownChannel)


class Book:
    """All devices that are known, by id."""

    def __init__(self, file: Path) -> None:
        self.devices: dict[str, KnownDevice] = {}
        self._file = file
        self._noted: set[int] = set()
        """Hashes: what they are of may be megabytes."""

    def note(self, event: Event) -> bool:
        """Learn from an event; returns whether there was anything new. Called for each one, so nearly all end early."""
        named = (event.device.id, event.channel.id, event.kind, event.device.name, event.channel.name)
        key = hash((*named, *event.counts))
        if key in self._noted:
            return False
        before = msgspec.json.encode(self.devices.get(event.device.id))
        self._learn(event)
        is_news = msgspec.json.encode(self.devices.get(event.device.id)) != before
        if is_news or len(self._noted) >= _MOST_NOTED:
            self._noted.clear()  # what was noted before may be news again, as a name that is given back
        self._noted.add(key)
        return is_news

    def _learn(self, event: Event) -> None:
        device = _room(self.devices, event.device.id, KnownDevice, _MOST_DEVICES)
        if device is None:
            return
        device.name = event.device.name[:_LONGEST] or device.name
        device.serial = event.device.serial[:_LONGEST] or device.serial
        channel = _room(device.channels, event.channel.id, KnownChannel, _MOST_CHANNELS)
        if channel is None:
            return
        channel.name = event.channel.name[:_LONGEST] or channel.name
        for names, new in (
            (channel.kinds, [event.kind]),
            (channel.counts, [name for name in event.counts if len(name) <= _LONGEST]),
        ):
            names.extend([name for name in new if name not in names][: _MOST_NAMES - len(names)])

    def read(self) -> None:
        """Take what is in the file; blocks. Raises OSError and ValueError, and stays empty then."""
        with contextlib.suppress(FileNotFoundError):
            self.devices = msgspec.json.decode(self._file.read_bytes(), type=dict[str, KnownDevice]) | self.devices

    def encoded(self) -> bytes:
        """What is known now, as the file keeps it."""
        return msgspec.json.encode(self.devices)

    def write(self, encoded: bytes) -> None:
        """Replace the file; blocks. Raises OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        beside.write_bytes(encoded)
        beside.replace(self._file)

    def remove(self) -> None:
        """Remove the file; blocks. Raises OSError."""
        self._file.unlink(missing_ok=True)


def _room(known: dict[str, _Known], name: str, made: type[_Known], most: int) -> _Known | None:
    if name not in known and len(known) < most:
        known[name] = made()
    return known.get(name)
