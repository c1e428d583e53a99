"""The archive output: every event as plain files that people can read without boxbridge."""

from __future__ import annotations

from bridge import Output, hookimpl
from bridge_archive.output import Archive


@hookimpl
def register_outputs() -> list[type[Output]]:
    """Bring the output type `archive`."""
    return [Archive]
