"""Coordinates as fractions of the scene picture, whatever a device counts them in."""

from __future__ import annotations

from typing import cast

from msgspec import Struct

_PARTS = 1_000_000
"""Of a fraction: more would be noise."""


class Scale(Struct, frozen=True):
    """What the push's coordinates are counted in."""

    normalized: int | None
    """Not 0: fractions; 0: pixels; None: the device does not say."""
    width: int
    """Of the picture in pixels; 0 where nothing tells."""
    height: int

    def fractions(self, *pairs: int | float | None) -> list[float] | None:
        """Horizontal and vertical numbers, in turn, as fractions; None where one is missing or the size is unknown."""
        if None in pairs:
            return None
        numbers = cast(tuple[int | float, ...], pairs)
        # The document lets boxes be pixels where all else is normalized; no fraction is as far out as 1.5.
        if self.normalized != 0 and min(numbers, default=0) >= -1.5 and max(numbers, default=0) <= 1.5:
            return [float(number) for number in numbers]
        if not self.width or not self.height:
            return None
        sizes = (self.width, self.height) * (len(numbers) // 2)
        return [round(number * _PARTS / size) / _PARTS for number, size in zip(numbers, sizes, strict=True)]
