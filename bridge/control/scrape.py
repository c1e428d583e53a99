"""What monitoring scrapes. What makes it is loaded when somebody first asks: it costs 8 MB."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bridge.control.house import House


async def scraped(house: House) -> bytes:
    """The text of `/metrics`."""
    render = await asyncio.to_thread(_import)
    return await render(house)


def _import() -> Callable[[House], Awaitable[bytes]]:
    from bridge.control.metrics import render  # noqa: PLC0415 - as said above

    return render
