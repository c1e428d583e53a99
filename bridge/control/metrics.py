"""The daemon's metrics in Prometheus' text format, made of the figures that each room keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

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
from bridge.dispatch.ledger import Figures
from bridge.figures import SECONDS, Histogram
from bridge.journal.journal import Cursor, Journal
from bridge.receiver.intake import Intake

_Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""Each a label's value for each label, and the number."""


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
    yield from _receiver(house.intake)
    yield from _attempts(lanes, dict(house.dispatcher.figures))
    yield from _standing(cursors, oldest, house.journal.next)
    yield _counter(
        "boxbridge_skipped_events",
        "Events that an output was passed by for good, as past its `backlog`.",
        ["output"],
        [((cursor.name,), cursor.skipped_events) for cursor in list(house.journal.cursors.values())],
    )
    yield from _journal(house.journal)
    yield _gauge(
        "boxbridge_device_last_seen_timestamp_seconds",
        "When a device last pushed, in seconds since 1970; of 200 devices.",
        ["device"],
        [((device,), seen.timestamp()) for device, seen in list(house.intake.devices.last_seen.items())[:200]],
    )


def _receiver(intake: Intake) -> Iterator[Any]:
    yield _counter("boxbridge_pushes", "Pushes that came.", ["protocol", "outcome"], intake.pushes.items())
    yield _counter(
        "boxbridge_refused_pushes",
        "Pushes that were refused, by who sent them and why.",
        ["peer", "reason"],
        intake.refused.items(),
    )
    yield _counter(
        "boxbridge_events",
        "Events that were stored. Past 200 different pairs the device is `other`, past 400 both labels are.",
        ["device", "kind"],
        intake.events.items(),
    )
    yield _histogram("boxbridge_answer_seconds", "From a push's arrival to its answer.", {(): intake.answer_seconds})


def _attempts(lanes: Mapping[str, Lane], figures: Mapping[str, Figures]) -> Iterator[Any]:
    yield _counter(
        "boxbridge_deliveries",
        "Attempts that ended, and events that `only`, `max_age` or `at_most` skipped (outcomes skipped_only, ...).",
        ["output", "outcome"],
        [((name, *labels), count) for name, one in figures.items() for labels, count in one.outcomes.items()],
    )
    yield _counter(
        "boxbridge_loop_held_seconds",
        "Seconds in which an output's code, for more than 0.1 s in one go, let nobody be served.",
        ["output"],
        [((name,), lane.holds.seconds) for name, lane in lanes.items()],
    )
    yield _histogram(
        "boxbridge_delivery_seconds",
        "How long an attempt took that delivered.",
        {(name,): one.seconds for name, one in figures.items()},
        ["output"],
    )


def _standing(cursors: Mapping[str, Cursor], oldest: Mapping[str, float | None], log_next: int) -> Iterator[Any]:
    """Of all outputs: of those too that are held, off or gone, for which events wait."""
    yield _gauge(
        "boxbridge_waiting_events",
        "Events that an output has still to take.",
        ["output"],
        [((name,), cursor.waiting(log_next)) for name, cursor in cursors.items()],
    )
    yield _gauge(
        "boxbridge_dead_events",
        "Dead letters that are kept.",
        ["output"],
        [((name,), cursor.dead) for name, cursor in cursors.items()],
    )
    yield _gauge(
        "boxbridge_oldest_waiting_timestamp_seconds",
        "When the oldest of the waiting events came, in seconds since 1970.",
        ["output"],
        [((name,), when) for name, when in oldest.items() if when is not None],
    )


def _journal(journal: Journal) -> Iterator[Any]:
    room = journal.outlook()
    yield GaugeMetricFamily("boxbridge_journal_bytes", "Size of the journal.", journal.log.bytes_on_disk())
    yield GaugeMetricFamily(
        "boxbridge_journal_limit_bytes",
        "What the journal's folder may have: the quota, or less where others filled the disk.",
        room.limit,
    )
    yield GaugeMetricFamily(
        "boxbridge_journal_held_ratio", "The part of that, 0 to 1, which some output has yet to take.", room.held
    )
    yield _gauge(
        "boxbridge_journal_room_seconds",
        "How long there is room at the last day's rate if no output takes anything more.",
        [],
        [] if room.hours_left is None else [((), room.hours_left * 3600)],
    )
    yield _counter(
        "boxbridge_journal_written_bytes",
        "Bytes written to `log` and `index`; divided by the events, what one wears a card by.",
        ["file"],
        [((file,), size) for file, size in journal.written.items()],
    )
    yield _histogram(
        "boxbridge_journal_sync_seconds",
        "How long the disk takes to make a group of events safe.",
        {(): journal.sync_seconds},
    )


def _counter(name: str, help_text: str, labels: Sequence[str], samples: _Samples) -> Any:
    return _filled(CounterMetricFamily(name, help_text, labels=labels), samples)


def _gauge(name: str, help_text: str, labels: Sequence[str], samples: _Samples) -> Any:
    return _filled(GaugeMetricFamily(name, help_text, labels=labels), samples)


def _filled(family: Any, samples: _Samples) -> Any:
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _histogram(
    name: str, help_text: str, histograms: Mapping[tuple[str, ...], Histogram], labels: Sequence[str] = ()
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
