"""Which topic everything goes to. Ids become segments through `bridge.escape`, so two ids never share a topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bridge import Event, Picture, escape


class Topics:
    """The topics of one site."""

    def __init__(self, base: str, site: str) -> None:
        self._site = f"{base}/{escape(site)}"

    @property
    def state(self) -> str:
        """Where `online`, `stopped` or `offline` stands, retained."""
        return f"{self._site}/state"

    def event(self, event: Event, *, late: bool) -> str:
        """Where the document goes; old news has a topic of its own."""
        return f"{self._channel(event, late=late)}/event"

    def pictures(self, event: Event, *, late: bool) -> Iterator[tuple[str, Picture]]:
        """Each picture with its topic: `picture` for the scene, `picture/<role>/<n>` for further ones, n from 1."""
        root = f"{self._channel(event, late=late)}/picture"
        counted: Counter[str] = Counter()
        scene = event.scene
        for picture in event.pictures:
            if picture is scene:
                yield root, picture
            else:
                counted[picture.role] += 1
                yield f"{root}/{escape(picture.role)}/{counted[picture.role]}", picture

    def annotated(self, event: Event, *, late: bool) -> str:
        """Where the annotated copy of the scene goes: beside the scene, in the place of a role."""
        return f"{self._channel(event, late=late)}/picture/annotated"

    def _channel(self, event: Event, *, late: bool) -> str:
        channel = f"{self._site}/{escape(event.device.id)}/{escape(event.channel.id)}"
        return f"{channel}/late" if late else channel
