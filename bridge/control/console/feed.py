"""What the live pages are told as it happens: looked up once a second for all that show the same, and drawn once.

However many events come, a page gets a few cards a second and the number of those that it was not given.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from bridge.control import events
from bridge.control.answers import Refusal
from bridge.control.console.cards import cards_of, marks_of
from bridge.control.console.site import Site
from bridge.control.console.timings import Timings
from bridge.errors import why
from bridge.journal.standing import Listed

log = structlog.get_logger("boxbridge.control")

LOOK_SECONDS: Final = 1.0
MOST_CARDS: Final = 4
"""New cards of one look: more than that nobody can look at."""
PAGE: Final = 48
"""Cards of a page."""
_LOOKED_AT: Final = 500
"""Events of one look: of more it is not known how many came."""
_BEHIND: Final = 4
"""Messages that a page may be behind; then it is told to begin anew."""
_KEEP_ALIVE_SECONDS: Final = 15.0


class View(Struct, frozen=True):
    """What a page shows: the events that pass its filters, in its language."""

    lang: str
    asked: tuple[tuple[str, str], ...]


class News(Struct, kw_only=True, omit_defaults=True):
    """What a page is told."""

    new: int = 0
    """How many events came,"""
    left_out: int = 0
    """and how many of them it gets no card for."""
    cards: str = ""
    marks: dict[str, str] = {}
    """Marks that changed, by event."""
    again: bool = False
    """It missed something, `new` where that is known: it should ask for the whole list."""


class Feed:
    """All live pages that are open."""

    def __init__(self, site: Site, timings: Timings) -> None:
        self._site = site
        self._timings = timings
        self._channels: dict[View, _Channel] = {}

    async def follow(self, view: View, newest: str) -> AsyncIterator[bytes]:
        """Messages for one page, as server-sent events, until it is closed or the daemon ends.

        `newest`: the newest event that the page shows.
        """
        channel = self._channels.get(view)
        if channel is None or channel.task.done():
            channel = self._channels[view] = _Channel(self._site, self._timings, view)
            channel.task.add_done_callback(lambda _: self._forget(view, channel))
        told: asyncio.Queue[bytes | None] = asyncio.Queue()
        channel.pages.add(told)
        try:
            yield b"retry: 2000\n\n"
            await channel.looked.wait()
            yield sent(_missed(list(channel.marks), newest))
            while True:
                try:
                    message = await asyncio.wait_for(told.get(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    message = None if channel.task.done() else b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            channel.pages.discard(told)

    def _forget(self, view: View, channel: _Channel) -> None:
        if self._channels.get(view) is channel:
            del self._channels[view]


class _Channel:
    """The newest events of one view, for all pages that show it; it ends when the last one is closed."""

    def __init__(self, site: Site, timings: Timings, view: View) -> None:
        self.pages: set[asyncio.Queue[bytes | None]] = set()
        self._site = site
        self._house = site.house
        self._timings = timings
        self._view = view
        self.marks: dict[str, str] = {}
        """How the marks of each event were drawn last, the newest event first."""
        self._newest = (0, 0)
        """Where the newest event stands that it knows."""
        self.looked = asyncio.Event()
        """Set when it has looked for the first time."""
        self.task = asyncio.create_task(self._run(), name="live page")

    async def _run(self) -> None:
        seen: Any = None
        while True:
            stands = self._standing()
            if stands != seen:
                seen = stands
                try:
                    await self._look()
                finally:
                    self.looked.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._house.stopping.wait(), LOOK_SECONDS)
            if self._house.stopping.is_set() or not self.pages:
                self._tell(None)
                return

    def _standing(self) -> Any:
        """What changes when an event comes or stands otherwise; it costs no look at the index."""
        journal = self._house.journal
        cursors = list(journal.cursors.values())
        return journal.next, [(c.name, c.next, c.waiting(journal.next), c.dead, c.skipped_events) for c in cursors]

    async def _look(self) -> None:
        try:
            page = await events.page_of(self._house, dict(self._view.asked) | {"limit": str(_LOOKED_AT)})
        except Refusal:
            return  # such as an output that a reload took away: the page itself says so
        except sqlite3.Error as error:
            log.warning("a live page can't be told what is new", reason=why(error), view=str(self._view.asked))
            return
        known, self.marks = self.marks, self._drawn(page.events[:PAGE])
        before, self._newest = self._newest, max([self._newest, *map(_place, page.events[:1])])
        new = [listed for listed in page.events if _place(listed) > before] if self.looked.is_set() else []
        marks = {id_: drawn for id_, drawn in self.marks.items() if known.get(id_, drawn) != drawn}
        if new or marks:
            cards = await cards_of(self._house, new[:MOST_CARDS], self._timings)
            text = self._site.fragment(self._view.lang, "cards.html", cards=cards)
            left_out = len(new) - len(cards)
            self._tell(sent(News(new=len(new), left_out=left_out, cards=text if cards else "", marks=marks)))

    def _drawn(self, listed: Sequence[Listed]) -> dict[str, str]:
        return {
            one.row.id: self._site.fragment(self._view.lang, "marks.html", marks=marks_of(one, self._timings))
            for one in listed
        }

    def _tell(self, message: bytes | None) -> None:
        for told in self.pages:
            if told.qsize() < _BEHIND:
                told.put_nowait(message)
                continue
            while not told.empty():
                told.get_nowait()
            told.put_nowait(message and sent(News(again=True)))


def _missed(events: list[str], newest: str) -> News:
    """What a page is told first: what came since it was drawn, of these events, the newest first."""
    if next(iter(events), "") == newest:
        return News()
    return News(again=True, new=events.index(newest) if newest in events else len(events))


def _place(listed: Listed) -> tuple[int, int]:
    return listed.row.received, listed.row.sequence


def sent(news: Struct) -> bytes:
    """A message as a server-sent event."""
    return b"data: " + msgspec.json.encode(news) + b"\n\n"
