"""Counts and histograms that rooms keep of their own work; the control room turns them into metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

from bridge.event import shortened

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of a histogram of durations."""


class Histogram:
    """How many durations fell into which bucket, and their sum."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.buckets)


class Labelled(Counter[tuple[str, ...]]):
    """Counts by labels, bounded, so that nobody fills memory.

    Long labels are shortened. Past `limit` different ones the first label becomes `other`, past twice as many all of
    them do.
    """

    def __init__(self, limit: int = 200) -> None:
        super().__init__()
        self._limit = limit

    def count(self, *labels: str) -> None:
        """Count one."""
        self[labels if labels in self else self._admitted(labels)] += 1

    def _admitted(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        labels = tuple(map(shortened, labels))
        if labels not in self and len(self) >= self._limit:
            labels = ("other", *labels[1:])
        if labels not in self and len(self) >= 2 * self._limit:
            labels = ("other",) * len(labels)
        return labels


def as_bytes(size: float) -> str:
    """A size for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} B"
