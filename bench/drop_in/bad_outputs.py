"""Outputs as nobody should write them, as a drop-in file: each does one kind of harm with every event."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from bridge import Delivery, Output, hookimpl

_NEVER = threading.Event()


class Raises(Output):
    """Fails with an error of its own."""

    type = "raises"

    async def deliver(self, delivery: Delivery) -> None:
        """Raise something that no contract has."""
        raise ValueError(f"no good: {delivery.event.kind}")


class Hangs(Output):
    """Never returns."""

    type = "hangs"

    def deliver(self, delivery: Delivery) -> None:
        """Wait for what never comes."""
        _NEVER.wait()


class Leaks(Output):
    """Starts threads and leaves them."""

    type = "leaks"

    def deliver(self, delivery: Delivery) -> None:
        """Leave a few more."""
        for _ in range(3):
            threading.Thread(target=_NEVER.wait, daemon=True).start()


class Exits(Output):
    """Wants to end the process: in a delivery, and in a task of its own."""

    type = "exits"

    async def open(self) -> None:
        """Begin a task that ends everything."""
        self._task = asyncio.create_task(self._exit())

    async def _exit(self) -> None:
        sys.exit("a task has had enough")

    async def deliver(self, delivery: Delivery) -> None:
        """End everything."""
        sys.exit("a delivery has had enough")


class Blocks(Output):
    """Does on the event loop what takes long."""

    type = "blocks"

    async def deliver(self, delivery: Delivery) -> None:
        """Hold the loop, so that nobody is served."""
        time.sleep(0.5)  # noqa: ASYNC251 - this is the harm


@hookimpl
def register_outputs() -> list[type[Output]]:
    """All of them."""
    return [Raises, Hangs, Leaks, Exits, Blocks]
