"""An output in hand: opened, delivered to, cancelled and closed as the daemon does it, with no journal behind it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvloop

from bridge.dispatch.call import Caller, is_plain
from bridge.dispatch.policy import Verdict, delivered, judge
from bridge.output import Delivery, Output

ASYNC_WINDOW: Final = 64
"""So many deliveries an async output is given at once, as in the daemon; a plain one has one."""
PATIENCE: Final = 15.0
"""Seconds after which the kit itself gives up waiting for an output."""
_BEAT: Final = 0.005

_T = TypeVar("_T")


class StillRunning(Exception):
    """A call into the output has not ended in time."""


class InHand:
    """One output on an event loop of its own, in a thread: `with InHand(output) as hand: hand.open()`.

    Every method waits for its answer, so that tests need no `async`. `timeout`: seconds that one call may take.
    """

    def __init__(self, make: Callable[[], Output], timeout: float = 10.0) -> None:
        self.timeout = timeout
        self.longest_held = 0.0
        """Seconds for which the event loop stood still at most; whoever measures sets it to 0 first."""
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="output in hand", daemon=True)
        self._thread.start()
        self._beating = asyncio.run_coroutine_threadsafe(self._beat(), self._loop)
        self.output = self._wait(_made(make))
        self.plain = is_plain(self.output.deliver)
        self.window = 1 if self.plain else ASYNC_WINDOW
        self._caller = Caller(self.output.name, self.window, lambda _seconds: None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        self._caller.close()

    def open(self) -> Verdict:
        """Open it; "delivered" means that it is open."""
        return self._wait(self._judged(self.output.open, plain=is_plain(self.output.open)))

    def close(self) -> Verdict:
        """Close it; "delivered" means that it said nothing to that."""
        return self._wait(self._judged(self.output.close, plain=is_plain(self.output.close)))

    def deliver(self, delivery: Delivery, timeout: float | None = None) -> Verdict:
        """Deliver one event, and say what the daemon would make of that; raises StillRunning."""
        return self._wait(self._delivered(delivery, timeout or self.timeout))

    def deliver_all(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        """Deliver many, as many at once as the daemon would."""
        return self._wait(self._all(deliveries), 3 * PATIENCE)

    def begin(self, delivery: Delivery) -> Begun:
        """Begin a delivery and come back at once."""
        return self._wait(self._begun(delivery))

    def turn(self, turns: int = 1) -> None:
        """Let the event loop go round so many times."""

        async def turning() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self._wait(turning())

    async def _begun(self, delivery: Delivery) -> Begun:
        return Begun(self._loop, asyncio.create_task(self._delivered(delivery, PATIENCE)))

    async def _delivered(self, delivery: Delivery, timeout: float) -> Verdict:
        return await self._judged(lambda: self.output.deliver(delivery), timeout, plain=self.plain)

    async def _judged(self, call: Callable[[], Any], timeout: float | None = None, *, plain: bool) -> Verdict:
        try:
            answer = await self._caller.call(call, timeout or self.timeout, lambda: None, plain=plain)
        except Exception as error:  # noqa: BLE001 - an output may raise anything; the policy says what it means
            return judge(error, self.output.unavailable)
        return delivered(answer)

    async def _all(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        room = asyncio.Semaphore(self.window)

        async def one(delivery: Delivery) -> Verdict:
            async with room:
                return await self._delivered(delivery, PATIENCE)

        return await asyncio.gather(*map(one, deliveries))

    async def _beat(self) -> None:
        """Measure how long the loop takes for what should take no time."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_BEAT)
            self.longest_held = max(self.longest_held, time.perf_counter() - began - _BEAT)

    async def _end(self) -> None:
        """Cancel what the output left behind on the loop."""
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1)
        await asyncio.sleep(_BEAT)  # connections that they had are closed in the loop's next turns

    def _wait(self, coroutine: Coroutine[Any, Any, _T], seconds: float = PATIENCE + 5) -> _T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise StillRunning(f"not over after {seconds:g} s: it waits for ever, or holds the event loop") from None


class Begun:
    """A delivery that is under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Verdict]) -> None:
        self.verdict: Verdict | None = None
        """None while it goes on, and where it ended because it was cancelled."""
        self._over = threading.Event()
        self._loop, self._task = loop, task
        task.add_done_callback(self._note)

    def cancel(self) -> None:
        """Cancel it, as the daemon does with what is under way for too long when it ends."""
        self._loop.call_soon_threadsafe(self._task.cancel)

    def ended(self, within: float) -> bool:
        """Whether it is over, or is so within so many seconds."""
        return self._over.wait(within)

    def _note(self, task: asyncio.Task[Verdict]) -> None:
        self.verdict = None if task.cancelled() else task.result()
        self._over.set()


async def _made(make: Callable[[], Output]) -> Output:
    return make()  # here, since some make an asyncio.Lock or the like at once
