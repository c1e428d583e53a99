"""What the far sides of the dispatcher's tests do, and for outputs of which kind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from bridge import Delivery, Output, Unavailable
from tests.rooms import Far, async_output, plain_output

BOTH = pytest.mark.parametrize("make", [async_output, plain_output], ids=["async", "plain"])
Make = Callable[[str, Far], type[Output]]


class Gate:
    """Something that deliveries of both kinds wait at."""

    def __init__(self) -> None:
        self._open = threading.Event()

    async def wait(self, _: Delivery) -> None:
        while not self._open.is_set():  # noqa: ASYNC110 - set by either kind
            await asyncio.sleep(0.001)

    def wait_blocking(self, _: object) -> None:
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()


def away(*_: object) -> None:
    raise Unavailable("down")
