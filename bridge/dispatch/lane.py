"""A lane: one output, walking the log at its own pace. `door` opens and closes it; `policy` says what follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from msgspec import DecodeError, Struct
from msgspec.structs import replace

from bridge.config.settings import OutputSettings
from bridge.dispatch.call import Caller, has_begun, is_plain
from bridge.dispatch.conduct import MOST_THREADS, Holds, caller_of
from bridge.dispatch.door import Door, LaneState, overdue
from bridge.dispatch.ledger import Figures, Ledger
from bridge.dispatch.order import Order
from bridge.dispatch.policy import Verdict, delivered, judge
from bridge.dispatch.selection import Selection, selection_of
from bridge.errors import why
from bridge.event import Event, utc_now
from bridge.journal.journal import Cursor, Journal, Lost, Record
from bridge.output import Delivery, Output
from bridge.plugins import Plugins
from bridge.threads import Threads

ASYNC_IN_FLIGHT = 64
PLAIN_IN_FLIGHT = 1
WINDOW_BYTES = 16_000_000
"""How much of pictures and documents may be under way in one lane."""
GRACE_SECONDS = 5.0
"""How long deliveries under way may take to end when the lane is stopped."""


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
        link: Callable[[str], str],
        figures: Figures,
    ) -> None:
        self.output = output
        self.name = output.name
        self.settings = settings
        self.cursor = cursor
        self._journal = journal
        self._plugins = plugins
        self._late_after = late_after
        self._plain = is_plain(output.deliver)
        self._in_flight = settings.in_flight or (PLAIN_IN_FLIGHT if self._plain else ASYNC_IN_FLIGHT)
        self._caller = Caller(self.name, self._in_flight, self._held_the_loop)
        self._questions = Threads(f"output-{self.name}-where", 1)
        """Of their own: a far side that answers people slowly must not hold up deliveries."""
        self._log = structlog.get_logger("boxbridge.dispatch").bind(output=self.name)
        self._wake = asyncio.Event()
        self._under_way: dict[int, UnderWay] = {}
        self.holds = Holds()
        self._trials: set[asyncio.Task[Verdict]] = set()
        """Deliveries that people try the output with."""
        self._bytes = 0
        self._link = link if getattr(settings.options, "picture", "") == "url" else None
        self._annotates = getattr(settings.options, "annotated", False) is True
        self._order = Order(cursor, journal)
        self._selection = selection_of(settings)
        self.ledger = Ledger(self.name, settings, cursor, journal, self._order, plugins, self._selection, figures)
        self.door = Door(output, settings, self._caller, plugins, self._waiting)
        self._task: asyncio.Task[None]
        self._loop: asyncio.AbstractEventLoop

    # --- Life

    def start(self) -> None:
        """Begin to open the output and deliver."""
        self._loop = asyncio.get_running_loop()
        for entry in self.cursor.open_entries():
            self._order.again(entry.sequence)
        self._journal.on_append.append(self._wake.set)
        self._task = asyncio.create_task(self._run(), name=f"lane {self.name}")

    async def stop(self) -> None:
        """End: what is under way gets a moment, what waits stays in the journal."""
        self.door.stop()
        self._wake.set()
        _, pending = await asyncio.wait({self._task}, timeout=2 * GRACE_SECONDS)
        if pending:
            self._log.warning("output did not stop in time; it is left behind")
            self._task.cancel()
        self._journal.on_append.remove(self._wake.set)
        self._caller.close()
        self._questions.close()

    def lost(self, reason: BaseException) -> None:
        """The output says, from any thread, that its far side went away between deliveries."""
        self._loop.call_soon_threadsafe(self._note_trouble, judge(reason, self.output.unavailable))

    async def _run(self) -> None:
        caller_of.set(self.name)
        while not self.door.stopping.is_set():
            if await self.door.open():  # pragma: no branch - 3.11 traces nothing after an await that caught an error
                try:
                    await self._deliver_while_open()
                except Exception as error:  # noqa: BLE001 - a fault of ours; the other lanes go on
                    self._failed_within(error)
                await self._drain()
                await self.door.close()
            if not self.door.stopping.is_set():
                await self.door.wait()
        self.door.change("stopped", "")

    def _failed_within(self, error: Exception) -> None:
        """A fault of boxbridge: the output is closed and opened again, as after an outage, which may be enough."""
        self._log.error("the output's lane failed; this is a fault of boxbridge", exc_info=error)
        self._note_trouble(Verdict("unavailable", f"internal error, see the log: {type(error).__name__}: {error}"))

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
        while self.door.trouble is None and not self.door.stopping.is_set():
            sequence = self._order.next(self.door.failures) if self._has_room() else None
            if sequence is None:
                await self._woken()
                continue
            try:
                await self._begin(sequence)
            except Exception:
                self._order.again(sequence)
                raise

    def _has_room(self) -> bool:
        if self._bytes >= WINDOW_BYTES:
            return False
        return len(self._under_way) < (self._in_flight if self.door.proven else 1)

    async def _begin(self, sequence: int) -> None:
        """Read the event and hand it to the output."""
        found = await self._find(sequence)
        if found is None:
            return
        record, event = found
        if self._selection is not None and self._skipped(self._selection, sequence, event):
            await asyncio.sleep(0)  # a long stretch of what is not for this output must not hold the loop
            return
        under_way = self._under_way[sequence] = UnderWay(sequence, self._delivery(sequence, record, event))
        self._bytes += under_way.delivery.size
        under_way.task = self._loop.create_task(self._attempt(under_way))

    async def _find(self, sequence: int) -> tuple[Record, Event] | None:
        """The event with its record; None, which is booked, where there is none or it can't be read."""
        try:
            record = self._journal.at_hand(sequence) or await self._journal.read(sequence)
            event = record.event(sequence) if isinstance(record, Record) else None
        except DecodeError as error:
            self.ledger.bury(sequence, None, f"its record can't be read: {error}")
            return None
        except OSError as error:  # the disk, or too many open files: both may pass
            unread = Verdict("retry", f"its record can't be read: {why(error)}")
            self._note_trouble(self.ledger.retry(sequence, None, unread))
            return None
        if not isinstance(record, Record):
            self._pass_gap(sequence, record)
            return None
        if event is None:
            self.ledger.settle(sequence, "none")
            await asyncio.sleep(0)  # a long stretch without events must not hold the loop
            return None
        return record, event

    def _pass_gap(self, sequence: int, gap: Lost) -> None:
        if gap.let_go:
            self.ledger.settle(sequence, "none")
            self.cursor.pass_by(gap.until, "no longer kept")
        else:
            self.ledger.bury(sequence, None, "its record in the journal is damaged or missing")
            self.cursor.pass_by(gap.until, "a gap in the journal")

    def _delivery(self, sequence: int, record: Record, event: Event) -> Delivery:
        """The next attempt to bring it out."""
        document = record.document(sequence)
        pictures = sum([picture.size for picture in event.pictures])
        if self._annotates and event.scene is not None:
            pictures += event.scene.size  # what is drawn has about as much
        return Delivery(
            event=event,
            document=document,
            original=record.original(),
            link=self._link(event.id) if self._link else "",
            attempt=self.ledger.begin(sequence),
            late=self._is_late(event, utc_now()),
            replayed=self.cursor.is_replayed(sequence),
            skipped=0 if self._selection is None else self._selection.beside(sequence),
            size=len(document) + pictures,
        )

    def _skipped(self, selection: Selection, sequence: int, event: Event) -> bool:
        first, asked_for = self.ledger.attempts(sequence) == 0, self.cursor.is_asked_for(sequence)
        skip = selection.skip(sequence, event, utc_now(), first=first, asked_for=asked_for)
        if skip is not None:
            self.ledger.skip(sequence, event.id, skip)
        return skip is not None

    def _is_late(self, event: Event, when: datetime) -> bool:
        return when - event.occurred > self._late_after

    async def _attempt(self, under_way: UnderWay) -> None:
        began = time.perf_counter()
        delivery = under_way.delivery
        try:
            try:
                verdict = await self._deliver(delivery)
            finally:
                self._end(under_way)
            if verdict.kind == "delivered":
                self.door.passed()
            elif verdict.kind == "rejected":  # no event got through, and yet the far side is there
                self.door.say()
            trouble = self.ledger.book(verdict, under_way.sequence, delivery, time.perf_counter() - began)
            self._note_trouble(trouble, under_way.sequence)
        except asyncio.CancelledError:
            self._order.again(under_way.sequence)
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours; what became of the event is not known
            self._order.again(under_way.sequence)
            self._failed_within(error)

    async def _deliver(self, delivery: Delivery) -> Verdict:
        if (stopped := self.door.stopped) is not None:  # since this was begun
            return stopped
        deliver = self._plugins.hook.deliver
        try:
            answer = await self._caller.call(
                lambda: deliver(output=self.output, delivery=delivery),
                self.settings.timeout,
                self._note_overdue,
                plain=self._plain,
            )
        except Exception as error:  # noqa: BLE001 - an output may raise anything; the policy says what it means
            verdict = judge(error, self.output.unavailable)
            if verdict.unexpected:
                self._log.warning("output failed", event_id=delivery.event.id, exc_info=error)
            return verdict
        return delivered(answer)

    async def try_out(self, delivery: Delivery) -> Verdict | None:
        """Give the output something that is in no journal, and say what came of it; None where it is not open.

        It is neither booked nor repeated, and takes no place in the window.
        """
        if self.door.state != "open" or self.door.trouble is not None:
            return None
        trial = asyncio.create_task(self._deliver(delivery), name=f"trial of {self.name}")
        self._trials.add(trial)
        trial.add_done_callback(self._end_trial)
        return await asyncio.shield(trial)  # who asked may go; until it ends the output must not be closed

    def _end_trial(self, trial: asyncio.Task[Verdict]) -> None:
        self._trials.discard(trial)
        self._wake.set()

    def _end(self, under_way: UnderWay) -> None:
        del self._under_way[under_way.sequence]
        self._bytes -= under_way.delivery.size
        self._wake.set()

    async def _drain(self) -> None:
        """Let what is under way end before the output is closed."""
        self.door.show_trouble()
        # A thread that hangs keeps its place: until it ends nothing else is given to this output.
        while (self._under_way or self._trials) and not self.door.stopping.is_set():
            self._wake.clear()
            await self._wake.wait()
        tasks: set[asyncio.Task[Any]] = {one.task for one in self._under_way.values() if one.task is not None}
        tasks |= self._trials
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=GRACE_SECONDS)

    # --- Trouble

    def _note_trouble(self, verdict: Verdict | None, *fell: int) -> None:
        if verdict is None:
            return
        if self.door.note(verdict) and self.door.state == "open":
            self._order.trouble([*fell, *self._under_way])
        self._wake.set()

    def _note_overdue(self) -> None:
        self._note_trouble(overdue(self.settings))

    def _held_the_loop(self, seconds: float) -> None:
        if self.holds.note(seconds):
            self._log.warning("the output's code held the event loop; nobody was served meanwhile",
                              seconds=round(seconds, 3))  # fmt: skip
        if reason := self.holds.too_much():
            self._stop_at_once(reason)

    def note_threads(self, running: int) -> None:
        """So many threads of the output's run now, those that it is called in among them."""
        left = running - (self._in_flight if self._plain else 1)
        if left > MOST_THREADS:
            self._stop_at_once(f"its code started {left} threads that still run, and {MOST_THREADS} are the most; "
                               "a restart of boxbridge ends them")  # fmt: skip

    def _stop_at_once(self, reason: str) -> None:
        """Pause the output, without waiting for what is under way: it would do the same once more each."""
        if self.door.stopped is not None:
            return
        self._note_trouble(Verdict("stopped", reason))
        for task in [one.task for one in self._under_way.values()]:
            if task is not None and task is not asyncio.current_task() and has_begun(task):
                task.cancel()

    def _waiting(self) -> int:
        return self.cursor.waiting(self._journal.next)

    def retry_in(self, sequence: int) -> float | None:
        """Seconds until an event that failed is tried again; None where it is not one."""
        return self._order.seconds_until(sequence)

    def again(self, sequence: int) -> None:
        """Deliver what was opened anew."""
        self._order.again(sequence)
        self._wake.set()

    async def where(self, delivered: Delivery, when: datetime) -> str:
        """Where the output says that it put an event at that time, for people; raises what the output raises."""
        told = replace(delivered, late=self._is_late(delivered.event, when))
        return await self._questions.run(lambda: self.output.where(told))

    def report(self) -> LaneReport:
        """How the output stands now."""
        return LaneReport(
            name=self.name,
            type=self.settings.type,
            state=self.door.state,
            reason=self.door.reason,
            since=self.door.since,
            retry_in=None if self.door.retry_at is None else max(0.0, self.door.retry_at - time.monotonic()),
            waiting=self._waiting(),
            under_way=len(self._under_way),
            dead=self.cursor.dead,
            delivered=self.ledger.figures.delivered,
        )
