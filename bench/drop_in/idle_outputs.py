"""Outputs that do nothing, as a drop-in file: what is left is what any output costs."""

from __future__ import annotations

from bridge import Delivery, Output, hookimpl


class Nothing(Output):
    """On the event loop."""

    type = "nothing"

    async def deliver(self, delivery: Delivery) -> None:
        """Take it."""


class NothingPlain(Output):
    """In a thread."""

    type = "nothing-plain"

    def deliver(self, delivery: Delivery) -> None:
        """Take it."""


@hookimpl
def register_outputs() -> list[type[Output]]:
    """Both."""
    return [Nothing, NothingPlain]
