"""The daemon's metrics in Prometheus' text format, made of the figures that each room keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from bridge.control.house import House
from bridge.control.outputs import oldest_waiting
from bridge.dispatch.lane import Lane
from bridge.figures import SECONDS, Histogram
from bridge.journal.journal import Cursor, Journal


async def render(house: House) -> bytes:
    """The text of `/metrics`."""
    lanes = dict(house.dispatcher.lanes)  # a reload may exchange them while records are read
    cursors = dict(house.journal.cursors)
    oldest = {name: await oldest_waiting(house.journal, cursor) for name, cursor in cursors.items()}

    class Collector:
        def collect(self) -> Iterator[Any]:
            yield from _families(house, lanes, cursors, oldest)

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def _families(
    house: House, lanes: Mapping[str, Lane], cursors: Mapping[str, Cursor], oldest: Mapping[str, float | None]
) -> Iterator[Any]:
    yield InfoMetricFamily("boxbridge_build", "Version of boxbridge.", {"version": house.version})
    pushes = CounterMetricFamily("boxbridge_pushes", "Pushes by protocol and outcome.", labels=["protocol", "outcome"])
    for labels, count in house.intake.pushes.items():
        pushes.add_metric(labels, count)
    yield pushes
    refused = CounterMetricFamily("boxbridge_refused_pushes", "Pushes refused, by why.", labels=["peer", "reason"])
    for labels, count in house.intake.refused.items():
        refused.add_metric(labels, count)
    yield refused
    events = CounterMetricFamily("boxbridge_events", "Events stored, by device and kind.", labels=["device", "kind"])
    for labels, count in house.intake.events.items():
        events.add_metric(labels, count)
    yield events
    yield _histogram(
        "boxbridge_answer_seconds", "From a push's last byte to its answer.", {(): house.intake.answer_seconds}
    )

    deliveries = CounterMetricFamily(
        "boxbridge_deliveries", "Attempts and skipped events by output and outcome.", labels=["output", "outcome"]
    )
    waiting = GaugeMetricFamily("boxbridge_waiting_events", "Events that wait for an output.", labels=["output"])
    dead = GaugeMetricFamily("boxbridge_dead_events", "Dead letters of an output.", labels=["output"])
    since = GaugeMetricFamily(
        "boxbridge_oldest_waiting_timestamp_seconds", "When the oldest waiting event came.", labels=["output"]
    )
    held = CounterMetricFamily(
        "boxbridge_loop_held_seconds", "Seconds that an output's code held the event loop.", labels=["output"]
    )
    for name, lane in lanes.items():
        held.add_metric([name], lane.holds.seconds)
        for (outcome,), count in lane.ledger.outcomes.items():
            deliveries.add_metric([name, outcome], count)
    for name, cursor in cursors.items():  # those that are held, off or gone too: their events wait
        waiting.add_metric([name], cursor.waiting(house.journal.next))
        dead.add_metric([name], cursor.dead)
        if (when := oldest[name]) is not None:
            since.add_metric([name], when)
    skipped = CounterMetricFamily(
        "boxbridge_skipped_events", "Events that an output was passed by for good.", labels=["output"]
    )
    for cursor in list(house.journal.cursors.values()):
        skipped.add_metric([cursor.name], cursor.skipped_events)
    yield from (deliveries, held, waiting, dead, since, skipped)
    yield _histogram(
        "boxbridge_delivery_seconds",
        "How long attempts that delivered took.",
        {(name,): lane.ledger.seconds for name, lane in lanes.items()},
        ("output",),
    )

    yield GaugeMetricFamily(
        "boxbridge_journal_bytes", "Bytes of the journal's segments.", house.journal.log.bytes_on_disk()
    )
    yield from _room(house.journal)
    yield _histogram("boxbridge_journal_sync_seconds", "How long syncs took.", {(): house.journal.sync_seconds})
    seen = GaugeMetricFamily(
        "boxbridge_device_last_seen_timestamp_seconds", "When a device last pushed.", labels=["device"]
    )
    for device, when_seen in list(house.intake.devices.last_seen.items())[:200]:
        seen.add_metric([device], when_seen.timestamp())
    yield seen


def _room(journal: Journal) -> Iterator[Any]:
    room = journal.outlook()
    yield GaugeMetricFamily("boxbridge_journal_limit_bytes", "Bytes that the journal may have.", room.limit)
    yield GaugeMetricFamily("boxbridge_journal_held_ratio", "Part of that which outputs have yet to take.", room.held)
    if room.hours_left is not None:
        seconds = room.hours_left * 3600
        yield GaugeMetricFamily("boxbridge_journal_room_seconds", "Room for so long, at the last day's rate.", seconds)
    written = CounterMetricFamily("boxbridge_journal_written_bytes", "Bytes written to disk.", labels=["file"])
    for file, size in journal.written.items():
        written.add_metric([file], size)
    yield written


def _histogram(
    name: str, help_text: str, histograms: Mapping[tuple[str, ...], Histogram], labels: tuple[str, ...] = ()
) -> Any:
    family = HistogramMetricFamily(name, help_text, labels=labels)
    for values, histogram in histograms.items():
        total = 0
        buckets = []
        for bound, count in zip([*map(str, SECONDS), "+Inf"], histogram.buckets, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(values, buckets, histogram.sum)
    return family
