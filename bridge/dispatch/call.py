"""Calling into an output: coroutines on the loop, timed while they hold it; plain functions in threads of its own."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import time
import types
from collections.abc import Callable, Coroutine, Generator
from threading import Thread
from typing import Any, Final

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
                result = _contained(function)
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
        """Let the threads end once they are idle."""
        self._threads.close()


class Threads:
    """A few threads for calls that block, made when first needed.

    Daemon threads, unlike an executor's: one that hangs must not keep the process from ending.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._started = 0
        self._waiting = 0
        """Calls that are not over: as many threads are wanted."""
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call it in a thread, as soon as one is free."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def resolve(result: Any, error: Exception | None) -> None:
            self._waiting -= 1
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def call() -> None:
            result, error = None, None
            try:
                result = _contained(function)
            except Exception as raised:  # noqa: BLE001 - handed on to who awaits the call
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits it any more
                loop.call_soon_threadsafe(resolve, result, error)

        self._waiting += 1
        if self._started < min(self._waiting, self._most):
            self._started += 1
            Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._calls.put(call)
        return future

    def close(self) -> None:
        """Let each end with the call it is at."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _contained(function: Callable[[], Any]) -> Any:
    """Call it; what would end more than the call is turned into an error of the call."""
    try:
        return function()
    except SystemExit as error:
        raise RuntimeError("the output called sys.exit()") from error
    except (StopIteration, asyncio.CancelledError) as error:  # neither can be handed on through a future
        raise RuntimeError(f"the output raised {type(error).__name__}") from error


def is_plain(function: Callable[..., Any]) -> bool:
    """Whether it is to run in a thread: `def`, not `async def`."""
    return not inspect.iscoroutinefunction(function)
