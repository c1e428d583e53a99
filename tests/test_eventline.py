"""An event is one line in the log, with how long each output took."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from bridge import Delivery, Event
from bridge import eventline as module
from bridge.eventline import LINES_A_SECOND, EventLog, summary
from bridge.output import Original
from bridge.testing import sample_event
from tests.rooms import until

pytestmark = pytest.mark.anyio

Log = list[Any]


@pytest.fixture
def log() -> Iterator[Log]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def delivery_of(event: Event) -> Delivery:
    original = Original(method="POST", path="/", query="", content_type="", parts=())
    return Delivery(event=event, document=b"{}", original=original)


def lines(log: Log) -> list[str]:
    return [line["event"] for line in log]


async def test_the_line_is_written_when_every_open_output_has_the_event(log: Log) -> None:
    line, event = EventLog(lambda: {"local", "broker"}), sample_event(small=True)
    line.event_accepted(event=event)
    line.event_delivered(output="local", delivery=delivery_of(event))
    assert log == []
    line.event_delivered(output="broker", delivery=delivery_of(event))
    assert lines(log) == [f"{summary(event)}   local 0 ms  broker 0 ms"]
    assert log[0]["event_id"] == event.id


def test_a_line_stays_a_line_whatever_a_device_says() -> None:
    event = sample_event(small=True).with_(kind="k" * 1_000_000, counts={f"name {n}": 1 for n in range(1000)})
    assert 250 < len(summary(event)) < 500


def test_a_picture_whose_pixels_nobody_knows_has_its_size_only() -> None:
    event = sample_event()
    assert event.scene
    unknown = event.with_(pictures=(replace(event.scene, width=None, height=None),))
    assert summary(event).endswith("  1920x1080 287 kB")
    assert summary(unknown).endswith("  287 kB")
    assert "None" not in summary(unknown)


async def test_an_output_that_is_away_is_not_waited_for(log: Log) -> None:
    line, event = EventLog(lambda: {"local"}), sample_event(small=True)
    line.event_accepted(event=event)
    line.event_delivered(output="local", delivery=delivery_of(event))
    assert len(log) == 1
    line.event_delivered(output="broker", delivery=delivery_of(event))
    assert len(log) == 1


async def test_without_an_open_output_the_line_says_that_it_is_kept(log: Log) -> None:
    line, event = EventLog(lambda: ()), sample_event(small=True)
    line.event_accepted(event=event)
    assert lines(log) == [f"{summary(event)}   kept; no output has it yet"]


async def test_an_output_that_is_slow_is_waited_for_only_so_long(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.02)
    line, event = EventLog(lambda: {"local", "broker"}), sample_event(small=True)
    line.event_accepted(event=event)
    line.event_delivered(output="local", delivery=delivery_of(event))
    await until(lambda: log)
    assert lines(log) == [f"{summary(event)}   local 0 ms"]
    line.event_delivered(output="broker", delivery=delivery_of(event))
    assert len(log) == 1


async def test_under_load_the_rest_of_a_second_is_one_line(log: Log) -> None:
    line = EventLog(lambda: ())
    for _ in range(LINES_A_SECOND + 25):
        line.event_accepted(event=sample_event(small=True))
    assert len(log) == LINES_A_SECOND
    await until(lambda: len(log) > LINES_A_SECOND)
    assert lines(log)[LINES_A_SECOND:] == ["and 25 more events"]
    await asyncio.sleep(0)
    line.event_accepted(event=sample_event(small=True))
    assert len(log) == LINES_A_SECOND + 2


def test_a_summary_says_what_where_how_many_and_what_picture() -> None:
    event = sample_event()
    assert event.scene is not None
    kilobytes = f"{event.scene.size / 1000:.0f}"
    said = f"pre_offvehicle  DMB3160PWC21J00001/1  车辆离开 2  1920x1080 {kilobytes} kB"
    assert summary(event) == said
    assert summary(sample_event(picture=b"")) == "pre_offvehicle  DMB3160PWC21J00001/1  车辆离开 2  no picture"
    assert summary(event.with_(counts={})).startswith("pre_offvehicle  DMB3160PWC21J00001/1  车辆离开  1920")
