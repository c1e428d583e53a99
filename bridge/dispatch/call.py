"""Calling into an output: coroutines on the loop, timed while they hold it; plain functions in threads of its own."""

from __future__ import annotations

import asyncio
import inspect
import time
import types
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

HELD_SECONDS: Final = 0.1
"""Whoever holds the event loop longer than this in one go is named."""


class NoAnswer(TimeoutError):
    """An output did not answer within its timeout."""


class Caller:
    """Calls one output's methods, whichever way they are written."""

    def __init__(self, name: str, threads: int, on_held: Callable[[float], None]) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"output-{name}")
        self._on_held = on_held

    async def call(
        self, function: Callable[[], Any], seconds: float, on_overdue: Callable[[], None], *, plain: bool
    ) -> Any:
        """Call a method or hook and await its answer for so long; raises NoAnswer, or what it raises.

        `plain`: in a thread of the output's own. A thread can't be cancelled: `on_overdue` is told when it takes
        too long, and its end is awaited all the same, whatever it brings.
        """
        if plain:
            future = asyncio.get_running_loop().run_in_executor(self._pool, _contained, function)
            done, _ = await asyncio.wait({future}, timeout=seconds)
            if not done:
                on_overdue()
            result = await future
            return await result if inspect.isawaitable(result) else result
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                result = function()
                if inspect.iscoroutine(result):
                    return await self._timed(result)
                return await result if inspect.isawaitable(result) else result
        except TimeoutError as error:
            if limit.expired():
                raise NoAnswer(f"no answer within {seconds:g} s") from error
            raise

    @types.coroutine
    def _timed(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Drive a coroutine step by step, with a clock around each."""
        send: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            began = time.perf_counter()
            try:
                waited = send(value)
            except StopIteration as stop:
                return stop.value
            except SystemExit as error:
                # Let through, it would end the daemon: the harm stays with this output.
                raise RuntimeError("the output called sys.exit()") from error
            finally:
                held = time.perf_counter() - began
                if held > HELD_SECONDS:
                    self._on_held(held)
            try:
                value = yield waited
                send = coroutine.send
            except BaseException as error:  # noqa: BLE001 - handed on into the coroutine, cancellation included
                value, send = error, coroutine.throw

    def close(self) -> None:
        """Let idle threads go; one that hangs keeps its own company."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _contained(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except SystemExit as error:
        raise RuntimeError("the output called sys.exit()") from error


def is_plain(function: Callable[..., Any]) -> bool:
    """Whether it is to run in a thread: `def`, not `async def`."""
    return not inspect.iscoroutinefunction(function)
