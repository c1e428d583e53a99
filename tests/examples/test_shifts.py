"""The example that changes events, in a running daemon."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.testing import sample_push
from tests.daemon import bridge_with
from tests.rooms import Bringing, Far, async_output, until

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "shifts.py"
SINK = '[output.sink]\ntype = "sink"\n'


async def test_an_event_has_its_shift_and_test_devices_are_answered_and_dropped(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "plugins")
    far = Far()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        assert running.daemon.plugins.broken == []
        assert (await box.push(sample_push(small=True, device="test-7"))).success
        for hour in (0, 6, 13, 14, 21, 22, 23):  # UTC; the plant's clock is eight hours ahead
            when = datetime(2026, 11, 24, hour, 30, tzinfo=UTC)
            assert (await box.push(sample_push(small=True, device="gate-3", when=when))).success
        await until(lambda: len(far.taken) == 7)
    assert [delivery.event.device.id for delivery in far.taken] == ["gate-3"] * 7
    assert [(delivery.event.occurred.hour, delivery.event.extra["shift"]) for delivery in far.taken] == [
        (0, "early"),
        (6, "late"),
        (13, "late"),
        (14, "night"),
        (21, "night"),
        (22, "early"),
        (23, "early"),
    ]
    assert b'"shift":"early"' in far.taken[0].document
