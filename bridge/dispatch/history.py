"""Keeps in the journal how outputs came and went, so that `why` can tell what an event waited for."""

from __future__ import annotations

from bridge.hookspecs import hookimpl
from bridge.journal.journal import Journal


class OutputHistory:
    """A plugin like any other: it only listens."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @hookimpl
    def output_state_changed(self, output: str, state: str, reason: str) -> None:
        """Note the change; what was found at the far side is no reason."""
        number = self._journal.cursors[output].number
        self._journal.places.notes.output(number, state, "" if state == "open" else reason)
        self._journal.moved()
