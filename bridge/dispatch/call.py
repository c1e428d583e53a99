"""Calling into an output: coroutines on the loop, timed while they hold it; plain functions in threads of its own."""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final

from bridge.dispatch.deadline import Deadlines
from bridge.stopwatch import Stopwatch
from bridge.threads import Threads, contained, tamed

CLEANUP_SECONDS: Final = 2.0
"""What is cancelled has so long to clean up; what goes on all the same is cut off then, wherever it waits."""


class NoAnswer(TimeoutError):
    """An output did not answer within its timeout."""


class Caller:
    """Calls one output's methods, whichever way they are written."""

    def __init__(self, name: str, threads: int, on_held: Callable[[float], None]) -> None:
        self._threads = Threads(f"output-{name}", threads)
        self._deadlines = Deadlines()
        self._stopwatch = Stopwatch()
        self._on_held = on_held

    def call(
        self, function: Callable[[], Any], seconds: float, on_overdue: Callable[[], None], *, plain: bool
    ) -> Coroutine[Any, Any, Any]:
        """Call a method or hook and await its answer for so long; raises NoAnswer, or what it raises.

        `plain`: in a thread of the output's own. A thread can't be cancelled: `on_overdue` is told when it takes
        too long, and its end is awaited all the same, whatever it brings.
        """
        return self._in_thread(function, seconds, on_overdue) if plain else self._on_loop(function, seconds)

    async def _in_thread(self, function: Callable[[], Any], seconds: float, on_overdue: Callable[[], None]) -> Any:
        overdue = asyncio.get_running_loop().call_later(seconds, on_overdue)
        try:
            result = await self._threads.run(function)
        finally:
            overdue.cancel()
        # Such as a decorated `async def`, which does not look like one.
        return await self._on_loop(lambda: result, seconds) if inspect.isawaitable(result) else result

    async def _on_loop(self, function: Callable[[], Any], seconds: float) -> Any:
        limit, end = self._deadlines.limit(seconds), _End()
        try:
            with limit:
                began = self._stopwatch.start()
                result = contained(function)
                if not inspect.isawaitable(result):  # of a plugin's hook that takes the delivery's place
                    if held := self._stopwatch.held(began):
                        self._on_held(held)
                    return result
                return await self._timed(result if inspect.iscoroutine(result) else _awaiting(result), end, began)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Let through, it would look as if we had wished it.
            raise RuntimeError("something that the output waited for was cancelled") from error
        except Exception as error:
            if limit.expired:
                raise NoAnswer(f"no answer within {seconds:g} s") from error
            raise
        finally:
            end.forget()

    @types.coroutine
    def _timed(self, coroutine: Coroutine[Any, Any, Any], end: _End, began: float) -> Generator[Any, Any, Any]:
        """Drive a coroutine step by step, with a clock around each; raises CancelledError where it hides its own.

        `began`: when the first step did, before what made the coroutine was called.
        """
        send: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            try:
                waited = send(value)
            except StopIteration as stop:
                if end.stands:
                    raise asyncio.CancelledError from None
                return stop.value
            except (Exception, asyncio.CancelledError):
                raise
            except BaseException as error:
                if error is value:  # ours, when the loop is closed
                    raise
                raise tamed(error) from error
            finally:
                if held := self._stopwatch.held(began):
                    self._on_held(held)
            try:
                value = yield waited
                send = coroutine.send
            except BaseException as error:  # noqa: BLE001 - handed on into the coroutine, cancellation included
                if isinstance(error, asyncio.CancelledError):
                    end.note(coroutine, error)
                value, send = error, coroutine.throw
            began = self._stopwatch.start()

    def close(self) -> None:
        """Let the threads end once they are idle."""
        self._threads.close()
        self._deadlines.close()


class _End:
    """What ends a coroutine that is cancelled and goes on."""

    _task: asyncio.Task[Any] | None = None
    _timer: asyncio.TimerHandle | None = None
    _due = False

    @property
    def stands(self) -> bool:
        """Whether it is cancelled: what it brings now is no answer. A timeout of its own takes that back."""
        return self._task is not None and self._task.cancelling() > 0

    def note(self, coroutine: Coroutine[Any, Any, Any], error: asyncio.CancelledError) -> None:
        """It is about to be told of its cancellation. Closes it, and raises the error, where it had its time."""
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is driven by a task
        self.forget()
        if not self._due:
            self._timer = task.get_loop().call_later(CLEANUP_SECONDS, self._insist, task)
            return
        task.uncancel()  # what `_insist` did
        try:
            coroutine.close()
        except Exception as failed:
            raise error from failed  # it is given up, whatever it says to that
        raise error

    def forget(self) -> None:
        """There is nothing to insist on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _insist(self, task: asyncio.Task[Any]) -> None:
        if self.stands:
            self._due = True
            task.cancel()


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def is_plain(function: Callable[..., Any]) -> bool:
    """Whether it is to run in a thread: `def`, not `async def`."""
    return not inspect.iscoroutinefunction(function)


def has_begun(task: asyncio.Task[Any]) -> bool:
    """Whether anything of a task ran: before, its cancellation would not even reach its `finally`."""
    coroutine = task.get_coro()
    return not inspect.iscoroutine(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED
