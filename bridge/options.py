"""What an option may be besides text and numbers: duration, size, share, secret, file. Each is read from text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self, TypeAlias

from msgspec import Meta

_NUMBER: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z%/]*)\s*")


class WithUnit:
    """A number that is written with its unit, and shown as it was written."""

    text: str
    """As it was written."""
    UNITS: ClassVar[dict[str, float]]
    """What each unit is worth."""
    EXAMPLE: ClassVar[str]
    """One of them, for errors and for configurations to begin with."""

    def __new__(cls, text: str) -> Self:
        """Read it; raises ValueError with a sentence."""
        match = _NUMBER.fullmatch(text)
        if match is None or match[2] not in cls.UNITS:
            units = ", ".join(cls.UNITS)
            raise ValueError(f'"{text}" is not a number with a unit ({units}), such as "{cls.EXAMPLE}"')
        value = super().__new__(cls, float(match[1]) * cls.UNITS[match[2]])  # type: ignore[call-arg]
        value.text = text
        return value

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


class Duration(WithUnit, float):
    """Seconds, written with a unit: "500ms", "30s", "5m", "24h", "7d"."""

    UNITS: ClassVar[dict[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    """Seconds by unit."""
    EXAMPLE = "30s"


class Size(WithUnit, int):
    """Bytes, written with a unit: "500kB", "16MB", "20GB", "1GiB"."""

    UNITS: ClassVar[dict[str, float]] = {
        "B": 1,
        "kB": 1e3,
        "KB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
        "TiB": 2**40,
    }
    """Bytes by unit."""
    EXAMPLE = "16MB"


class Share(WithUnit, float):
    """A part of a whole, between 0 and 1, written in percent: "20%"."""

    UNITS: ClassVar[dict[str, float]] = {"%": 0.01}
    """The one there is."""
    EXAMPLE = "20%"


class Rate(WithUnit, float):
    """So many a second, written for a second, a minute or an hour: "10/s", "100/m"; that many may come at once."""

    UNITS: ClassVar[dict[str, float]] = {"/s": 1, "/m": 1 / 60, "/h": 1 / 3600}
    """A second's part of each."""
    EXAMPLE = "10/s"

    @property
    def count(self) -> float:
        """How many may come at once."""
        return float(self.text.partition("/")[0])


IS_FILE: Final = {"boxbridge": "file"}
File: TypeAlias = Annotated[Path, Meta(extra=IS_FILE)]
"""A path to a file that is there; a mere `Path` may be there or not."""


class Secret:
    """Something that no log, error or page may show: only `reveal()` tells it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not to be copied or stored")
