"""A lane: one output, walking the log at its own pace. It opens and closes it; `policy` decides what follows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from msgspec import DecodeError, Struct
from msgspec.structs import replace

from bridge.config.settings import OutputSettings
from bridge.dispatch.call import Caller, is_plain
from bridge.dispatch.order import Order
from bridge.dispatch.policy import (
    DELIVERED,
    SAME_FAILURE_LIMIT,
    Verdict,
    judge,
    wait_for_event,
    wait_for_output,
)
from bridge.event import Event, utc_now
from bridge.figures import Histogram, Labelled
from bridge.journal.cursor import now_ms
from bridge.journal.journal import Cursor, Journal, Record
from bridge.output import Delivery, Output
from bridge.plugins import Plugins

ASYNC_IN_FLIGHT = 64
PLAIN_IN_FLIGHT = 1
WINDOW_BYTES = 16_000_000
"""How much of pictures and documents may be under way in one lane."""
GRACE_SECONDS = 5.0
"""How long deliveries under way may take to end when the lane is stopped."""

LaneState = Literal["opening", "open", "waiting", "paused", "stopped"]


class LaneReport(Struct, frozen=True, kw_only=True):
    """How an output stands, for people."""

    name: str
    type: str
    state: LaneState
    reason: str
    """Why it is not open; what was found at the far side where it is."""
    since: float
    """Seconds since 1970 at which the state began."""
    retry_in: float | None
    waiting: int
    under_way: int
    dead: int
    delivered: int


class UnderWay(Struct):
    """A delivery that an output has been given."""

    sequence: int
    delivery: Delivery
    task: asyncio.Task[None] | None = None


class Lane:
    """One output's walk along the log."""

    def __init__(
        self,
        output: Output,
        settings: OutputSettings,
        cursor: Cursor,
        journal: Journal,
        plugins: Plugins,
        late_after: timedelta,
    ) -> None:
        self.output = output
        self.name = output.name
        self.settings = settings
        self.cursor = cursor
        self.outcomes = Labelled()
        self.seconds = Histogram()
        self.tried = asyncio.Event()
        """Set when the first attempt to open the output has ended."""
        self._journal = journal
        self._plugins = plugins
        self._late_after = late_after
        self._plain = is_plain(output.deliver)
        self._in_flight = settings.in_flight or (PLAIN_IN_FLIGHT if self._plain else ASYNC_IN_FLIGHT)
        self._caller = Caller(self.name, self._in_flight, self._held_the_loop)
        self._log = structlog.get_logger("boxbridge.dispatch").bind(output=self.name)
        self._wake = asyncio.Event()
        self._under_way: dict[int, UnderWay] = {}
        self._bytes = 0
        self._order = Order(cursor, journal)
        self._attempts: dict[int, int] = {}
        self._retries: dict[int, int] = {}
        """How often an event failed as an event of its own: how far apart its attempts are."""
        self._failing: set[int] = set()
        """Different events that failed since the last that passed."""
        self._trouble: Verdict | None = None
        self._failures = 0
        """How often in a row the output was away."""
        self._proven = True
        """Whether a delivery passed since the output was last away; until then they go one by one."""
        self._stopping = asyncio.Event()
        self._state: LaneState = "opening"
        self._reason = ""
        self._since = time.time()
        self._retry_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop

    # --- Life

    def start(self) -> None:
        """Begin to open the output and deliver."""
        self._loop = asyncio.get_running_loop()
        for entry in self.cursor.open_entries():
            self._order.again(entry.sequence)
            self._attempts[entry.sequence] = entry.attempts
        self._journal.on_append.append(self._wake.set)
        self._task = asyncio.create_task(self._run(), name=f"lane {self.name}")

    async def stop(self) -> None:
        """End: what is under way gets a moment, what waits stays in the journal."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            _, pending = await asyncio.wait({self._task}, timeout=2 * GRACE_SECONDS)
            if pending:
                self._log.warning("output did not stop in time; it is left behind")
                self._task.cancel()
        self._journal.on_append.remove(self._wake.set)
        self._caller.close()

    def lost(self, reason: BaseException) -> None:
        """The output says, from any thread, that its far side went away between deliveries."""
        self._loop.call_soon_threadsafe(self._note_trouble, judge(reason, self.output.unavailable))

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if await self._open():
                    await self._deliver_while_open()
                    await self._close()
                if not self._stopping.is_set():
                    await self._wait_for_better()
        except Exception:  # noqa: BLE001 - a fault of ours; the other lanes go on
            self._log.exception("the output's lane failed; its events wait until the next start")
            self._change("paused", "internal error, see the log")
        if not self._stopping.is_set():
            return
        self._change("stopped", "")

    # --- Open, close, wait

    async def _open(self) -> bool:
        self._trouble = None
        began = time.monotonic()
        try:
            found = await self._call(self.output.open, plain=is_plain(self.output.open))
        except Exception as error:  # noqa: BLE001 - an output may raise anything; the policy says what it means
            verdict = judge(error, self.output.unavailable)
            if verdict.unexpected:
                self._log.warning("output failed to open", exc_info=error)
            kind: Any = "stopped" if verdict.kind in ("stopped", "rejected") else "unavailable"
            self._note_trouble(Verdict(kind, verdict.reason, verdict.after))
            return False
        if self._trouble is None:
            away = f", {self.cursor.waiting(self._journal.next)} waiting" if self._failures else ""
            self._change("open", found or "", note=away)
            self._log.debug("opened", seconds=round(time.monotonic() - began, 3))
        return True

    async def _close(self) -> None:
        try:
            await self._call(self.output.close, plain=is_plain(self.output.close))
        except Exception as error:  # noqa: BLE001 - as above; the output is given up anyway
            self._log.warning("output failed to close", error=str(error))

    async def _call(self, function: Callable[[], Any], *, plain: bool) -> Any:
        return await self._caller.call(function, self.settings.timeout, self._note_overdue, plain=plain)

    async def _wait_for_better(self) -> None:
        """Back off after trouble; a paused output waits until the daemon takes its configuration anew."""
        trouble = self._trouble or Verdict("unavailable", "unknown")
        self._proven = False
        if trouble.kind == "stopped":
            self._change("paused", trouble.reason)
            await self._sleep(None)
            return
        self._failures += 1
        seconds = wait_for_output(self._failures, trouble.after)
        self._retry_at = time.time() + seconds
        self._change("waiting", trouble.reason)
        await self._sleep(seconds)
        self._retry_at = None

    async def _sleep(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _woken(self) -> None:
        """Wait until there may be something to do: an append, an end, trouble, or the time of a retry."""
        self._wake.clear()
        timer = None
        seconds = self._order.seconds_until_due() if self._has_room() else None
        if seconds is not None:
            timer = self._loop.call_later(seconds, self._wake.set)
        await self._wake.wait()
        if timer is not None:
            timer.cancel()

    # --- Delivering

    async def _deliver_while_open(self) -> None:
        while self._trouble is None and not self._stopping.is_set():
            sequence = self._order.next(self._failures) if self._has_room() else None
            if sequence is None:
                await self._woken()
            else:
                await self._begin(sequence)
        await self._drain()

    def _has_room(self) -> bool:
        if self._bytes >= WINDOW_BYTES:
            return False
        return len(self._under_way) < (self._in_flight if self._proven else 1)

    async def _begin(self, sequence: int) -> None:
        """Read the event and hand it to the output."""
        try:
            read = await self._journal.read(sequence)
            event = read.event(sequence) if isinstance(read, Record) else None
        except DecodeError as error:
            self._bury(sequence, None, f"its record can't be read: {error}")
            return
        except OSError as error:  # the disk, or too many open files: both may pass
            self._retry(sequence, None, Verdict("retry", f"its record can't be read: {error}"))
            return
        if not isinstance(read, Record):
            self._bury(sequence, None, "its record in the journal is damaged or missing")
            self.cursor.pass_by(read.until, "a gap in the journal")
            return
        if event is None:
            self._settle(sequence, "none")
            await asyncio.sleep(0)  # a long stretch without events must not hold the loop
            return
        document = read.document(sequence)
        attempt = self._attempts[sequence] = self._attempts.get(sequence, 0) + 1
        delivery = Delivery(
            event=event,
            document=document,
            original=read.original(),
            attempt=attempt,
            late=self._is_late(event, utc_now()),
            replayed=self.cursor.is_replayed(sequence),
            size=len(document) + sum(picture.size for picture in event.pictures),
        )
        under_way = self._under_way[sequence] = UnderWay(sequence, delivery)
        self._bytes += delivery.size
        under_way.task = asyncio.create_task(self._attempt(under_way))

    def _is_late(self, event: Event, when: datetime) -> bool:
        return when - event.occurred > self._late_after

    async def _attempt(self, under_way: UnderWay) -> None:
        began = time.perf_counter()
        delivery = under_way.delivery
        try:
            deliver = self._plugins.hook.deliver
            await self._call(lambda: deliver(output=self.output, delivery=delivery), plain=self._plain)
            verdict = DELIVERED
        except asyncio.CancelledError:
            self._end(under_way)
            self._order.again(under_way.sequence)
            raise
        except Exception as error:  # noqa: BLE001 - an output may raise anything; the policy says what it means
            verdict = judge(error, self.output.unavailable)
            if verdict.unexpected:
                self._log.warning("output failed", event_id=delivery.event.id, exc_info=error)
        self._end(under_way)
        self._apply(verdict, under_way, time.perf_counter() - began)

    def _end(self, under_way: UnderWay) -> None:
        del self._under_way[under_way.sequence]
        self._bytes -= under_way.delivery.size
        self._wake.set()

    def _apply(self, verdict: Verdict, under_way: UnderWay, seconds: float) -> None:
        sequence, delivery = under_way.sequence, under_way.delivery
        self.outcomes.count(verdict.kind)
        match verdict.kind:
            case "delivered":
                self._delivered(sequence, delivery, seconds)
            case "retry":
                self._retry(sequence, delivery, verdict)
            case "rejected":
                self._bury(sequence, delivery, verdict.reason)
            case "unavailable" if self._order.convicts(sequence):
                reason = f"the far side fell each time it was given this event: {verdict.reason}"
                self._failed(sequence, delivery, Verdict("retry", reason, verdict.after))
                self._note_trouble(verdict)
            case _:
                self._order.again(sequence)
                self._note_trouble(verdict)

    def _delivered(self, sequence: int, delivery: Delivery, seconds: float) -> None:
        self.seconds.observe(seconds)
        self._failures = 0
        self._failing.clear()
        self._proven = True
        self._order.passed(sequence)
        self._settle(sequence, "delivered")
        self._plugins.tell("event_delivered", self._log, output=self.name, delivery=delivery, seconds=seconds)

    def _retry(self, sequence: int, delivery: Delivery | None, verdict: Verdict) -> None:
        """An event failed; the same on several in a row is no longer about the events."""
        self._failing.add(sequence)
        self._failed(sequence, delivery, verdict)
        if len(self._failing) >= SAME_FAILURE_LIMIT:
            self._failing.clear()
            self._note_trouble(Verdict("unavailable", verdict.reason, verdict.after))

    def _failed(self, sequence: int, delivery: Delivery | None, verdict: Verdict) -> None:
        attempts = self._attempts.get(sequence, 1)
        retries = self._retries[sequence] = self._retries.get(sequence, 0) + 1
        entry = self.cursor.failed(sequence, attempts, verdict.reason)
        self._journal.moved()
        if now_ms() - entry.failing_since >= self.settings.retry_for * 1000:
            self._bury(sequence, delivery, f"tried for {self.settings.retry_for}: {verdict.reason}")
            return
        self._order.later(sequence, wait_for_event(retries, verdict.after))
        self._log.warning("event failed", event_id=delivery and delivery.event.id, sequence=sequence,
                          attempt=attempts, reason=verdict.reason)  # fmt: skip

    def _bury(self, sequence: int, delivery: Delivery | None, reason: str) -> None:
        event_id = delivery.event.id if delivery else None
        self._log.error("dead letter", event_id=event_id, sequence=sequence, reason=reason)
        self._retries.pop(sequence, None)
        self.cursor.bury(sequence, self._attempts.pop(sequence, 0), reason)
        self._journal.moved()
        if delivery is not None:
            self._plugins.tell("event_dead", self._log, output=self.name, delivery=delivery, reason=reason)

    def _settle(self, sequence: int, outcome: str) -> None:
        self._retries.pop(sequence, None)
        self.cursor.settle(sequence, outcome, self._attempts.pop(sequence, 0))
        self._journal.moved()

    async def _drain(self) -> None:
        """Let what is under way end before the output is closed."""
        if self._trouble is not None:
            self._change("paused" if self._trouble.kind == "stopped" else "waiting", self._trouble.reason)
        # A thread that hangs keeps its place: until it ends nothing else is given to this output.
        while self._under_way and not self._stopping.is_set():
            self._wake.clear()
            await self._wake.wait()
        tasks = {under_way.task for under_way in self._under_way.values() if under_way.task is not None}
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=GRACE_SECONDS)

    # --- Trouble and state

    def _note_trouble(self, verdict: Verdict) -> None:
        """The output is away; the first reason counts, but a wish to stop outweighs it."""
        if self._trouble is None or verdict.kind == "stopped":
            self._trouble = verdict
            if self._state == "open":
                self._order.trouble(self._under_way)
        self._wake.set()

    def _note_overdue(self) -> None:
        self._note_trouble(Verdict("unavailable", f"no answer within {self.settings.timeout}"))

    def _held_the_loop(self, seconds: float) -> None:
        self._log.warning("the output's code held the event loop; nobody was served meanwhile",
                          seconds=round(seconds, 3))  # fmt: skip

    def _change(self, state: LaneState, reason: str, note: str = "") -> None:
        """A line a change of state, not one an attempt."""
        self.tried.set()
        changed = state != self._state
        self._state, self._reason = state, reason
        if not changed:
            return
        self._since = time.time()
        text = f"output {self.name} ({self.settings.type}) is {state}{note}"
        if state in ("waiting", "paused"):
            self._log.warning(text, reason=reason)
        elif state == "open":
            self._log.info(text, found=reason or None)
        self._plugins.tell("output_state_changed", self._log, output=self.name, state=state, reason=reason)

    def retry_in(self, sequence: int) -> float | None:
        """Seconds until an event that failed is tried again; None where it is not one."""
        return self._order.seconds_until(sequence)

    def again(self, sequence: int, *, replay: bool = False) -> bool:
        """Deliver a dead letter again, or for a replay anything that was settled; False where there is no need."""
        if not self.cursor.reopen(sequence, replay=replay):
            return False
        self._attempts.pop(sequence, None)
        self._order.again(sequence)
        self._journal.moved()
        self._wake.set()
        return True

    async def where(self, delivered: Delivery, when: datetime) -> str:
        """Where the output says that it put an event at that time, for people; raises what the output raises."""
        told = replace(delivered, late=self._is_late(delivered.event, when))
        return await asyncio.to_thread(self.output.where, told)

    def report(self) -> LaneReport:
        """How the output stands now."""
        return LaneReport(
            name=self.name,
            type=self.settings.type,
            state=self._state,
            reason=self._reason,
            since=self._since,
            retry_in=None if self._retry_at is None else max(0.0, self._retry_at - time.time()),
            waiting=self.cursor.waiting(self._journal.next),
            under_way=len(self._under_way),
            dead=self.cursor.dead,
            delivered=self.outcomes[("delivered",)],
        )
