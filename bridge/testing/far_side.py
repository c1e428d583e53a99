"""What a contract asks of the test that fills it in: how its far side is reached, cut off, mended, inspected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from msgspec import Struct

from bridge.output import Output


class Arrived(Struct, frozen=True, kw_only=True):
    """What the far side has of one delivery; the same event twice are two of them, or one."""

    id: str
    """The event's id, as the far side was told it."""
    document: bytes | None = None
    """The event document, where the output brings it; anything that is the same JSON."""
    pictures: tuple[bytes, ...] = ()
    """The bytes of each picture, in any order."""


class FarSide:
    """What there is to fill in. The far side should be the real thing on this machine; each promise gets its own."""

    output: ClassVar[type[Output]]
    """The class that is tried. It must be importable by its module's name, since a daemon of its own runs it too."""
    document: ClassVar[bool] = True
    """Whether the far side gets the event document."""
    pictures: ClassVar[Literal["all", "scene", "none"]] = "all"
    """Which pictures the far side gets."""
    wrong: ClassVar[Sequence[tuple[str, Any]]] = ()
    """Values of options that must be refused before anything starts, beyond those of a wrong type: `("gate", -1),`."""
    deliveries: ClassVar[int] = 10_000
    """Over so many deliveries it must not grow."""
    patience: ClassVar[float] = 15.0
    """Seconds within which what was delivered must be seen at the far side, and what is called off must end."""

    def reach(self, folder: Path) -> Mapping[str, Any]:
        """Start the far side, empty, and return the keys of the output's table; `folder` is free to use."""
        raise NotImplementedError("say how the far side is reached: def reach(self, folder)")

    def cut(self) -> None:
        """Take the far side away, as a power cut would; it may be away already."""
        raise NotImplementedError("say how the far side is cut off: def cut(self)")

    def mend(self) -> None:
        """Bring the far side back after `cut`, at the same place, with what had arrived."""
        raise NotImplementedError("say how the far side is brought back: def mend(self)")

    def arrived(self) -> Iterable[Arrived]:
        """What the far side has, in any order; asked again and again."""
        raise NotImplementedError("say what arrived: def arrived(self)")

    def freeze(self) -> None:
        """Let the far side be there and answer nothing, until `thaw`."""
        pytest.skip("its test does not say how to freeze the far side: def freeze(self) and thaw(self)")

    def thaw(self) -> None:
        """Let the far side go on after `freeze`."""

    def refuse(self) -> None:
        """Let the far side refuse every event for good, in its own way."""
        pytest.skip("its test does not say how to have the far side refuse: def refuse(self)")

    def leave(self) -> None:
        """Clear up; called once at the end."""
        self.cut()
