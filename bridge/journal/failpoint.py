"""Named places on the way to the disk, at which tests make the process die, fail or wait. Else nothing happens."""

from __future__ import annotations

from collections.abc import Callable

armed: Callable[[str], None] | None = None
"""Told the name of each place that is reached."""


def failpoint(name: str) -> None:
    """The place `name` is reached."""
    if armed is not None:
        armed(name)
