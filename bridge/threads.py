"""Threads for calls that block, so that neither the event loop waits for them nor the process at its end."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """A few threads for calls that block, made when first needed; they end with the object, or with `close`.

    Unlike those of an executor, which the loop's own `to_thread` uses, they are nobody else's, and one that hangs (a
    network share that is gone, a name look-up) does not keep the process from ending.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._started = 0
        self._waiting = 0
        """Calls that are not over: as many threads are wanted."""
        self._lock = Lock()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call it in a thread, as soon as one is free; for the event loop. Cancelled before it began, it never does."""
        return asyncio.wrap_future(self.submit(function))

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """`run` for plain functions, which may wait for the future in their own thread."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting += 1
            if self._started < min(self._waiting, self._most):
                self._started += 1
                name = f"{self._name}-{self._started}"
                Thread(target=_work, args=(self._calls,), name=name, daemon=True).start()
        self._calls.put(lambda: self._carry_out(function, future))
        return future

    def _carry_out(self, function: Callable[[], T], future: Future[T]) -> None:
        if not future.set_running_or_notify_cancel():
            self._over()
            return
        try:
            result = contained(function)
        except Exception as error:  # noqa: BLE001 - handed on to who awaits the call
            self._over()
            future.set_exception(error)
        else:
            self._over()
            future.set_result(result)

    def _over(self) -> None:
        """Count a call as over, before its outcome is told: who then calls again finds this thread free."""
        with self._lock:
            self._waiting -= 1

    def close(self) -> None:
        """Let each end once it has done what it is at and what waits; nothing more can be called."""
        for _ in range(self._started):
            self._calls.put(None)

    def __del__(self) -> None:
        self.close()


def _work(calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()
        del call  # else a thread that waits would keep alive what it was last called with


def contained(function: Callable[[], T]) -> T:
    """Call it; what would end more than the call is turned into an error of the call."""
    try:
        return function()
    except StopIteration as error:  # can't be handed on through a future
        raise tamed(error) from error
    except Exception:
        raise
    except BaseException as error:
        raise tamed(error) from error


def tamed(error: BaseException) -> RuntimeError:
    """An ordinary error in place of one that, let through, would end the thread or the daemon."""
    if isinstance(error, SystemExit):
        return RuntimeError("the output called sys.exit()")
    return RuntimeError(f"the output raised {type(error).__name__}")
