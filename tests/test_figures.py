"""Counts and histograms keep what the metrics need, and no more."""

from __future__ import annotations

import pytest

from bridge.figures import SECONDS, Histogram, Labelled, as_bytes


@pytest.mark.parametrize(("seconds", "place"), [(0, 0), (0.001, 0), (0.0011, 1), (1.0, 9), (29, 13), (31, 14)])
def test_a_duration_falls_into_the_first_bucket_that_holds_it(seconds: float, place: int) -> None:
    histogram = Histogram()
    histogram.observe(seconds)
    assert histogram.buckets.index(1) == place


def test_a_histogram_knows_its_sum_and_count() -> None:
    histogram = Histogram()
    for seconds in (0.5, 0.25, 100):
        histogram.observe(seconds)
    assert (histogram.sum, histogram.count) == (100.75, 3)
    assert len(histogram.buckets) == len(SECONDS) + 1


def test_counts_are_kept_by_labels() -> None:
    counts = Labelled()
    for labels in (("a", "x"), ("a", "x"), ("b", "x")):
        counts.count(*labels)
    assert counts == {("a", "x"): 2, ("b", "x"): 1}
    assert counts[("c", "x")] == 0


def test_past_the_limit_new_ones_are_other_and_old_ones_still_counted() -> None:
    counts = Labelled(2)
    for first in "abcda":
        counts.count(first, "x")
    assert counts == {("a", "x"): 2, ("b", "x"): 1, ("other", "x"): 2}


def test_long_labels_are_shortened_and_stay_distinct() -> None:
    counts = Labelled()
    for last in "aab":
        counts.count("device", "x" * 1_000_000 + last)
    assert sorted(counts.values()) == [1, 2]
    assert max(len(label) for labels in counts for label in labels) == 200


def test_whatever_the_labels_memory_stays_bounded() -> None:
    counts = Labelled(10)
    for number in range(1000):
        counts.count("device", f"kind-{number}")
    assert len(counts) <= 21
    assert counts.total() == 1000
    assert counts[("other", "other")] == 980


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (3.3e12, "3300.0 GB")]
)
def test_a_size_is_said_in_its_unit(size: float, said: str) -> None:
    assert as_bytes(size) == said
