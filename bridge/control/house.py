"""What the control room sees of the daemon: its rooms, and the one thing it may ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bridge.config.settings import Settings
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.replays import Replays
from bridge.journal.journal import Journal
from bridge.receiver.intake import Intake


class House(Protocol):
    """The running daemon."""

    version: str
    config: Path
    started: float
    settings: Settings
    journal: Journal
    intake: Intake
    dispatcher: Dispatcher
    replays: Replays

    async def reload(self) -> list[str]:
        """Take the configuration file over anew; returns the changed keys that only a restart takes over.

        Raises BridgeError and changes nothing where the file is wrong.
        """
