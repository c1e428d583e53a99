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
            yield from families(house, lanes, cursors, oldest)

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def families(
    house: House, lanes: Mapping[str, Lane], cursors: Mapping[str, Cursor], oldest: Mapping[str, float | None]
) -> Iterator[Any]:
    """All families, each with its labels and what it tells, those too of which there is no sample."""
    yield InfoMetricFamily("boxbridge_build", "The version.", {"version": house.version})
    pushes = CounterMetricFamily("boxbridge_pushes", "Pushes that came.", labels=["protocol", "outcome"])
    for labels, count in house.intake.pushes.items():
        pushes.add_metric(labels, count)
    yield pushes
    refused = CounterMetricFamily(
        "boxbridge_refused_pushes", "Pushes that were refused, by who sent them and why.", labels=["peer", "reason"]
    )
    for labels, count in house.intake.refused.items():
        refused.add_metric(labels, count)
    yield refused
    events = CounterMetricFamily(
        "boxbridge_events",
        "Events that were stored. Past 200 different pairs the device is `other`, past 400 both labels are.",
        labels=["device", "kind"],
    )
    for labels, count in house.intake.events.items():
        events.add_metric(labels, count)
    yield events
    yield _histogram(
        "boxbridge_answer_seconds", "From a push's arrival to its answer.", {(): house.intake.answer_seconds}
    )

    deliveries = CounterMetricFamily(
        "boxbridge_deliveries",
        "Attempts that ended, and events that `only`, `max_age` or `at_most` skipped (outcomes skipped_only, ...).",
        labels=["output", "outcome"],
    )
    waiting = GaugeMetricFamily(
        "boxbridge_waiting_events", "Events that an output has still to take.", labels=["output"]
    )
    dead = GaugeMetricFamily("boxbridge_dead_events", "Dead letters that are kept.", labels=["output"])
    since = GaugeMetricFamily(
        "boxbridge_oldest_waiting_timestamp_seconds",
        "When the oldest of the waiting events came, in seconds since 1970.",
        labels=["output"],
    )
    held = CounterMetricFamily(
        "boxbridge_loop_held_seconds",
        "Seconds in which an output's code, for more than 0.1 s in one go, let nobody be served.",
        labels=["output"],
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
        "boxbridge_skipped_events",
        "Events that an output was passed by for good, as past its `backlog`.",
        labels=["output"],
    )
    for cursor in list(house.journal.cursors.values()):
        skipped.add_metric([cursor.name], cursor.skipped_events)
    yield from (deliveries, held, waiting, dead, since, skipped)
    yield _histogram(
        "boxbridge_delivery_seconds",
        "How long an attempt took that delivered.",
        {(name,): lane.ledger.seconds for name, lane in lanes.items()},
        ("output",),
    )

    yield GaugeMetricFamily("boxbridge_journal_bytes", "Size of the journal.", house.journal.log.bytes_on_disk())
    yield from _room(house.journal)
    yield _histogram(
        "boxbridge_journal_sync_seconds",
        "How long the disk takes to make a group of events safe.",
        {(): house.journal.sync_seconds},
    )
    seen = GaugeMetricFamily(
        "boxbridge_device_last_seen_timestamp_seconds",
        "When a device last pushed, in seconds since 1970; of 200 devices.",
        labels=["device"],
    )
    for device, when_seen in list(house.intake.devices.last_seen.items())[:200]:
        seen.add_metric([device], when_seen.timestamp())
    yield seen


def _room(journal: Journal) -> Iterator[Any]:
    room = journal.outlook()
    yield GaugeMetricFamily(
        "boxbridge_journal_limit_bytes",
        "What the journal's folder may have: the quota, or less where others filled the disk.",
        room.limit,
    )
    yield GaugeMetricFamily(
        "boxbridge_journal_held_ratio", "The part of that, 0 to 1, which some output has yet to take.", room.held
    )
    left = GaugeMetricFamily(
        "boxbridge_journal_room_seconds",
        "How long there is room at the last day's rate if no output takes anything more.",
        labels=[],
    )
    if room.hours_left is not None:
        left.add_metric([], room.hours_left * 3600)
    yield left
    written = CounterMetricFamily(
        "boxbridge_journal_written_bytes",
        "Bytes written to `log` and `index`; divided by the events, what one wears a card by.",
        labels=["file"],
    )
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
