"""The annotator: draws each event's annotated scene once, however many outputs ask for it, in one thread."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import tzinfo
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Final

import structlog

from bridge.annotation import Undrawable, annotate, check_size
from bridge.event import Event
from bridge.fonts import chinese_font
from bridge.threads import Threads

log = structlog.get_logger("boxbridge.annotator")

KEPT_BYTES: Final = 8_000_000
_MOST_KEPT: Final = 256


class Annotator:
    """What was drawn last is kept for the next output that asks; what waits to be drawn holds no picture."""

    def __init__(self) -> None:
        self._thread = Threads("annotate", 1)
        self._drawn: dict[str, Future[bytes | None]] = {}
        """By event, the oldest first; also those that are not done."""
        self._lock = RLock()
        self._said: set[Path] = set()

    def draw(self, event: Event, timezone: tzinfo, data: Path) -> Future[bytes | None]:
        """The annotated scene as a JPEG, some time soon; from any thread. None: there is no scene, or none to draw on.

        The future raises PictureLost and OSError, as reading the scene does; then the next one who asks tries again.
        """
        with self._lock:
            future = self._drawn.get(event.id)
            if future is None:
                future = self._drawn[event.id] = self._thread.submit(partial(self._draw, event, timezone, data))
                future.add_done_callback(partial(self._done, event.id))
            return future

    def _draw(self, event: Event, timezone: tzinfo, data: Path) -> bytes | None:
        scene = event.scene
        if scene is None:
            return None
        font = chinese_font(data)
        if font is None and data not in self._said:
            self._said.add(data)
            log.warning("no font with Chinese characters on this machine: names are drawn as ids", folder=str(data))
        try:
            check_size(scene.width or 0, scene.height or 0)  # known without reading it
            return annotate(scene.read_blocking(), event, font, timezone)
        except Undrawable as error:
            log.warning("a scene can't be drawn on", event_id=event.id, reason=str(error))
            return None

    def _done(self, event_id: str, future: Future[bytes | None]) -> None:
        with self._lock:
            if future.cancelled() or future.exception() is not None:
                self._drawn.pop(event_id, None)
            kept = [(one, done.result() or b"") for one, done in self._drawn.items() if _is_drawn(done)]
            total = sum(len(picture) for _, picture in kept)
            for number, (one, picture) in enumerate(kept[:-1]):  # the last one was just asked for
                if total <= KEPT_BYTES and len(kept) - number <= _MOST_KEPT:
                    break
                total -= len(picture)
                del self._drawn[one]


def _is_drawn(future: Future[bytes | None]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
