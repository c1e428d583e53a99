"""The bars: what boxbridge has to reach, by itself or beside the plain script."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.figures import Figures


@dataclass(frozen=True)
class Bar:
    """One figure and its limit. A ratio is boxbridge/naive, round by round; its median counts, else the worst run."""

    name: str
    figure: Callable[[Figures], float]
    limit: float
    at_least: bool = False
    ratio: bool = False

    def judge(self, boxbridge: Sequence[Figures], naive: Sequence[Figures]) -> tuple[bool, str]:
        """Tell whether it was reached, and the line that says so."""
        values = [self.figure(figures) for figures in boxbridge]
        if self.ratio:
            values = [value / self.figure(other) for value, other in zip(values, naive, strict=True)]
        reached = statistics.median(values) if self.ratio else max(values)
        good = reached >= self.limit if self.at_least else reached <= self.limit
        return good, (
            f"  {self.name + (' boxbridge/naive' if self.ratio else ''):28}{reached:8.2f}"
            f"   ({min(values):.2f} to {max(values):.2f})"
            f"   bar: at {'least' if self.at_least else 'most'} {self.limit:g}   {'ok' if good else 'MISSED'}"
        )


_SURE = (Bar("peak MB", lambda f: f.peak, 90), Bar("lost", lambda f: f.lost, 0))
BARS = {
    "picture": (
        Bar("end to end", lambda f: f.delivered, 1.6, at_least=True, ratio=True),
        Bar("CPU", lambda f: f.cpu, 0.85, ratio=True),
        *_SURE,
    ),
    "small": (Bar("end to end", lambda f: f.delivered, 0.8, at_least=True, ratio=True), *_SURE),
}
"""What holds for each size of push, on two cores."""
