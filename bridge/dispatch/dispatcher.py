"""The dispatcher: all lanes, each on its own; starting, stopping and exchanging them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import structlog

from bridge.annotator import Annotator
from bridge.config.settings import OutputSettings, Settings
from bridge.dispatch.call import Caller, is_plain
from bridge.dispatch.conduct import MOST_THREADS, caller_of, know_makers, threads_of_outputs
from bridge.dispatch.lane import Lane, LaneReport
from bridge.dispatch.ledger import Figures
from bridge.journal.journal import Cursor, Journal
from bridge.output import Output, OutputContext, Stopped, Surroundings
from bridge.plugins import Plugins
from bridge.threads import contained

log = structlog.get_logger("boxbridge.dispatch")

_FORGET_SECONDS: Final = 15.0
"""How long an output may take to clear away what it keeps at its far side."""
_LOOK_SECONDS: Final = 1.0
"""How often it is counted whose threads run: one that leaves one a delivery is found before the process may have no
more."""


class Dispatcher:
    """One lane for each enabled output of the configuration.

    `seen`: when each device was last heard. `link`: the address of an event's page, by its id.
    """

    def __init__(
        self,
        journal: Journal,
        plugins: Plugins,
        seen: Callable[[], Mapping[str, datetime]] = dict,
        link: Callable[[str], str] = str,
    ) -> None:
        self.lanes: dict[str, Lane] = {}
        self.figures: defaultdict[str, Figures] = defaultdict(Figures)
        """By output, also of those that have no lane now."""
        self._journal = journal
        self._plugins = plugins
        self._terms: dict[str, tuple[object, ...]] = {}
        """What each lane was made from."""
        self._seen = seen
        self._link = link
        self._types: dict[str, str] = {}
        """Of the outputs that are enabled, by name."""
        self._gone: dict[str, Output] = {}
        """Outputs that are no longer configured: only they know their far side."""
        self._changing = asyncio.Lock()
        self._annotator = Annotator()
        self._watching: asyncio.Task[None] | None = None
        self._order: list[str] = []
        """The outputs of the configuration."""

    async def apply(self, settings: Settings) -> None:
        """Start what is new, exchange what changed or is paused, stop what is gone; the rest goes on untouched.

        An output has its place in the journal from when it is added, enabled or not.
        """
        if self._watching is None:
            know_makers()
            self._watching = asyncio.create_task(self._watch_threads(), name="threads of outputs")
        async with self._changing:
            changed = [
                name
                for name, lane in self.lanes.items()
                if self._terms[name] != _terms(name, settings) or lane.door.state == "paused"
            ]
            self._types = {name: output.type for name, output in settings.output.items() if output.enabled}
            self._gone |= {name: self.lanes[name].output for name in changed if name not in settings.output}
            await self._stop(changed)
            self._order = [*settings.output]
            for name, output in settings.output.items():
                await self._start_if_wanted(name, output, settings)

    async def _start_if_wanted(self, name: str, output: OutputSettings, settings: Settings) -> None:
        cursor = await self._journal.place_output(name, output.from_)
        if output.enabled and not cursor.paused and name not in self.lanes:
            self._start(name, output, cursor, settings)

    def _start(self, name: str, output: OutputSettings, cursor: Cursor, settings: Settings) -> None:
        context = settings.context(name)
        self._gone.pop(name, None)
        context.surroundings = self._surroundings
        context.lost = lambda reason: lane.lost(reason)  # noqa: PLW0108 - the lane is made below
        context.annotator = self._annotator
        output_made = made(self._plugins.outputs[output.type], context)
        late_after = timedelta(seconds=settings.late_after)
        journal, plugins = self._journal, self._plugins
        figures = self.figures[name]
        lane = self.lanes[name] = Lane(output_made, output, cursor, journal, plugins, late_after, self._link, figures)
        self._terms[name] = _terms(name, settings)
        lane.start()

    def _surroundings(self) -> Surroundings:
        return Surroundings(outputs=MappingProxyType(self._types), devices=MappingProxyType(self._seen()))

    async def forget(self, name: str) -> str | None:
        """Let an output that is no longer configured clear away what it keeps at its far side; raises what it raises.

        Returns what it says of it; None where it was not there since the start, so that nobody knows its far side.
        """
        output = self._gone.pop(name, None)
        if output is None:
            return None
        caller = Caller(name, 1, lambda _: None)
        try:
            said = await caller.call(output.forget, _FORGET_SECONDS, lambda: None, plain=is_plain(output.forget))
        finally:
            caller.close()
        return said if isinstance(said, str) else ""

    @contextlib.asynccontextmanager
    async def apart(self, name: str, settings: Settings) -> AsyncIterator[None]:
        """Stop an output's lane while its place in the journal is changed; then start it anew, if it may run."""
        async with self._changing:
            await self._stop([name] if name in self.lanes else [])
            try:
                yield
            finally:
                if name in settings.output:
                    await self._start_if_wanted(name, settings.output[name], settings)

    def again(self, name: str, sequence: int, *, replay: bool = False) -> bool:
        """Deliver a dead letter again, or for a replay anything that was settled; False where there is no need."""
        if not self._journal.cursors[name].reopen(sequence, replay=replay):
            return False
        self._journal.moved()
        if name in self.lanes:
            self.lanes[name].again(sequence)
        return True

    async def stop(self) -> None:
        """Stop all lanes."""
        await self._stop(list(self.lanes))
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _stop(self, names: list[str]) -> None:
        """Stop lanes, at the same time: each may take its while."""
        await asyncio.gather(*(self.lanes[name].stop() for name in names))
        for name in names:
            del self.lanes[name], self._terms[name]

    async def settle(self, seconds: float) -> None:
        """Wait until each output is open or has failed to open, but not longer than so many seconds."""
        tried = [asyncio.create_task(lane.door.tried.wait()) for lane in self.lanes.values()]
        if tried:
            _, pending = await asyncio.wait(tried, timeout=seconds)
            for task in pending:
                task.cancel()

    async def _watch_threads(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if threading.active_count() > MOST_THREADS:
                running = threads_of_outputs()
                for name, lane in self.lanes.items():
                    lane.note_threads(running[name])

    def reports(self) -> list[LaneReport]:
        """How each output stands, in the order of the configuration: a reload exchanges some."""
        return [self.lanes[name].report() for name in self._order if name in self.lanes]


class _Unmade(Output):
    """Stands in for an output that could not be made: it pauses at once and says why."""

    type = "unmade"

    def __init__(self, context: OutputContext, reason: str) -> None:
        super().__init__(context)
        self._reason = reason

    async def open(self) -> str | None:
        """There is nothing to open; raises Stopped."""
        raise Stopped(self._reason)


def made(output: type[Output], context: OutputContext) -> Output:
    """An output for one table; where its constructor fails, one in its place that pauses and says why."""
    within = caller_of.set(context.name)
    try:
        return contained(lambda: output(context))
    except Exception as error:  # a plugin's constructor may raise anything; the other outputs go on
        log.exception("output could not be made", output=context.name)
        return _Unmade(context, f"it could not be made: {type(error).__name__}: {error}")
    finally:
        caller_of.reset(within)


def _terms(name: str, settings: Settings) -> tuple[object, ...]:
    """What an output's lane is made from: its own table, and what every output is told."""
    return settings.output.get(name), settings.site, settings.data, settings.timezone, settings.late_after
