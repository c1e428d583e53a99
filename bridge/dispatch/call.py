"""Calling into an output: coroutines on the loop, timed while they hold it; plain functions in threads of its own."""

from __future__ import annotations

import asyncio
import inspect
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

from bridge.threads import Threads, contained, tamed

HELD_SECONDS: Final = 0.1
"""Whoever holds the event loop longer than this in one go is named."""


class NoAnswer(TimeoutError):
    """An output did not answer within its timeout."""


class Caller:
    """Calls one output's methods, whichever way they are written."""

    def __init__(self, name: str, threads: int, on_held: Callable[[float], None]) -> None:
        self._threads = Threads(f"output-{name}", threads)
        self._on_held = on_held

    async def call(
        self, function: Callable[[], Any], seconds: float, on_overdue: Callable[[], None], *, plain: bool
    ) -> Any:
        """Call a method or hook and await its answer for so long; raises NoAnswer, or what it raises.

        `plain`: in a thread of the output's own. A thread can't be cancelled: `on_overdue` is told when it takes
        too long, and its end is awaited all the same, whatever it brings.
        """
        if not plain:
            return await self._on_loop(function, seconds)
        overdue = asyncio.get_running_loop().call_later(seconds, on_overdue)
        try:
            result = await self._threads.run(function)
        finally:
            overdue.cancel()
        # Such as a decorated `async def`, which does not look like one.
        return await self._on_loop(lambda: result, seconds) if inspect.isawaitable(result) else result

    async def _on_loop(self, function: Callable[[], Any], seconds: float) -> Any:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                result = contained(function)
                if inspect.iscoroutine(result):
                    return await self._timed(result)
                return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Let through, it would look as if we had wished it.
            raise RuntimeError("something that the output waited for was cancelled") from error
        except Exception as error:
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
            except (Exception, asyncio.CancelledError):
                raise
            except BaseException as error:
                if error is value:  # ours, when the loop is closed
                    raise
                raise tamed(error) from error
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
        """Let the threads end once they are idle."""
        self._threads.close()


def is_plain(function: Callable[..., Any]) -> bool:
    """Whether it is to run in a thread: `def`, not `async def`."""
    return not inspect.iscoroutinefunction(function)
