"""What the control room sees of the daemon: its rooms, and the one thing it may ask of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from bridge.config.settings import Settings
from bridge.control.tap import Taps
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.replays import Replays
from bridge.journal.journal import Journal
from bridge.links import Links
from bridge.plugins import Plugins
from bridge.receiver.intake import Intake


class Reloaded(Struct, frozen=True, kw_only=True):
    """What came of a reload, besides that the file is in force."""

    after_restart: list[str]
    """The changed keys that only a restart takes over."""
    dropped: list[str]
    """Outputs that ran and are no longer configured; what waits for them is kept, as its `backlog` says."""


class House(Protocol):
    """The running daemon."""

    version: str
    config: Path
    started: float
    stopping: asyncio.Event
    """Set when it is about to end: answers that go on for as long as somebody listens end then."""
    settings: Settings
    plugins: Plugins
    journal: Journal
    intake: Intake
    dispatcher: Dispatcher
    replays: Replays
    links: Links
    taps: Taps

    async def reload(self) -> Reloaded:
        """Take the configuration file over anew; raises BridgeError and changes nothing where the file is wrong."""
