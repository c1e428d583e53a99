"""What stands in the broker whether anything happens or not: info, device states, Home Assistant's documents.

All of it is retained, published on each connect and again where it changed. `state` is not here: it is the connection's
own, with its will.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from bridge import Surroundings
from bridge_mqtt import homeassistant
from bridge_mqtt.book import Book
from bridge_mqtt.message import Message
from bridge_mqtt.options import Options
from bridge_mqtt.topics import Topics


class Tree:
    """The retained messages of one output, and which of them the broker has."""

    def __init__(self, options: Options, topics: Topics, book: Book, site: str, version: str) -> None:
        self._options = options
        self._topics = topics
        self._book = book
        self._site = site
        self._version = version
        self._began = datetime.now(UTC)
        self._there: dict[str, bytes] = {}
        """What was published on this connection, by topic."""
        self._made: dict[str, tuple[bytes, tuple[str, bytes]]] = {}
        """By device its document, and what it was made of: it is looked at every few seconds, and seldom another."""

    def forget(self) -> None:
        """Take nothing for published: the broker, or who listens there, is another one."""
        self._there.clear()

    def news(self, around: Surroundings, now: datetime) -> list[Message]:
        """What the broker does not have yet; taken for published from now on."""
        wanted = self._wanted(around, now)
        changed = {topic: payload for topic, payload in wanted.items() if self._there.get(topic) != payload}
        self._there |= changed
        return [Message(topic=topic, payload=payload, retain=True) for topic, payload in changed.items()]

    def topics(self, around: Surroundings) -> list[str]:
        """All that is retained, the pictures of known channels included."""
        devices = {*self._book.devices, *around.devices}
        told = [self._topics.state, self._topics.info, *(self._topics.device(device) for device in devices if device)]
        pictures = [
            self._topics.scene(id_, channel, kind)
            for id_, device in self._book.devices.items()
            for channel, known in device.channels.items()
            for kind in known.kinds
        ]
        return list(dict.fromkeys([*self._documents(self._book.devices), *told, *pictures]))

    def _wanted(self, around: Surroundings, now: datetime) -> dict[str, bytes]:
        devices = sorted({*self._book.devices, *around.devices} - {""})
        info = {"version": self._version, "outputs": dict(around.outputs), "devices": devices}
        wanted = {self._topics.info: msgspec.json.encode(info)}
        for device in devices:
            if state := self._state(around.devices.get(device), now):
                wanted[self._topics.device(device)] = state
        if self._options.homeassistant:
            wanted |= self._documents(self._book.devices)
        return wanted

    def _state(self, heard: datetime | None, now: datetime) -> bytes:
        """How a device is; nothing while that is not known: after the start it has as long to be heard."""
        span = timedelta(seconds=self._options.offline_after)
        if heard is not None and now - heard < span:
            return b"online"
        return b"offline" if now - self._began >= span else b""

    def _documents(self, devices: Iterable[str]) -> dict[str, bytes]:
        return dict(map(self._document, devices))

    def _document(self, id_: str) -> tuple[str, bytes]:
        device = self._book.devices[id_]
        known = msgspec.json.encode(device)
        if id_ not in self._made or self._made[id_][0] != known:
            made = homeassistant.document(self._options, self._topics, self._site, self._version, id_, device)
            self._made[id_] = known, made
        return self._made[id_][1]
