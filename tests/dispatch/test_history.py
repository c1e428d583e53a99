"""How outputs came and went is kept in the journal, with the reasons why they were away."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge import Unavailable
from bridge.dispatch.history import OutputHistory
from bridge.journal.cursor import now_ms
from bridge.journal.questions import output_notes
from tests.rooms import Far, async_output, opened, until

pytestmark = pytest.mark.anyio


async def test_each_change_is_kept_with_its_reason_but_not_what_was_found(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def away_once() -> None:
        if len(far.calls) == 1:
            raise Unavailable("connection refused")

    far.opening = away_once
    began = now_ms()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        rooms.plugins.register(OutputHistory(rooms.journal), "history")
        await until(lambda: rooms.report().state == "open")
        assert rooms.report().reason == "found"
        number = rooms.journal.cursors["sink"].number
        notes = await rooms.journal.ask(lambda index: output_notes(index, number, began, now_ms()))
    assert [(note.state, note.reason) for note in notes] == [("waiting", "connection refused"), ("open", "")]
