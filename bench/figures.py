"""The figures of one run, and their table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Figures:
    """What one run showed, in the order of the table's columns."""

    answered: float
    """Acknowledged pushes a second, from the first push sent to the last answer read."""
    delivered: float
    """Events a second, from the first push sent to the last event at the subscriber."""
    cpu: float
    """The server's CPU in milliseconds an event."""
    peak: float
    """The server's highest resident memory in MB."""
    lost: float
    """Acknowledged and never arrived, or not whole."""
    duplicated: float
    refused: float
    sync: float
    """Milliseconds of a small write and its sync, where the server keeps its data."""
    load: float
    """Percent of one core that the load generator used; near 100 it is what was measured."""
    subscriber: float
    """The same of the subscriber."""
    busy: float
    """Percent of both cores that server, broker, load generator and subscriber used together."""


_COLUMNS = (
    ("acked/s", ".0f"),
    ("end to end/s", ".0f"),
    ("CPU ms", ".3f"),
    ("peak MB", ".0f"),
    ("lost", ".0f"),
    ("dupl.", ".0f"),
    ("refused", ".0f"),
    ("sync ms", ".2f"),
    ("load %", ".0f"),
    ("subscr. %", ".0f"),
    ("busy %", ".0f"),
)


def title_row() -> str:
    """The table's first line."""
    return _row("", [title for title, _ in _COLUMNS])


def row(name: str, figures: Figures) -> str:
    """One run, or a median, as a line of the table."""
    return _row(name, [format(value, form) for value, (_, form) in zip(astuple(figures), _COLUMNS, strict=True)])


def median(runs: Sequence[Figures]) -> Figures:
    """Each figure's median over these runs."""
    return Figures(*(statistics.median(column) for column in zip(*map(astuple, runs), strict=True)))


def _row(name: str, cells: Sequence[str]) -> str:
    return f"  {name:18}" + "".join(f"{cell:>13}" for cell in cells)
