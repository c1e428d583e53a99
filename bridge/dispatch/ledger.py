"""What became of each event of one output: brought into its cursor, its order and its figures, and told to plugins."""

from __future__ import annotations

import structlog

from bridge.config.settings import OutputSettings
from bridge.dispatch.order import Order
from bridge.dispatch.policy import SAME_FAILURE_LIMIT, Verdict, wait_for_event
from bridge.dispatch.selection import Selection, Skip
from bridge.figures import Histogram, Labelled
from bridge.journal.cursor import now_ms
from bridge.journal.journal import Cursor, Journal
from bridge.output import Delivery
from bridge.plugins import Plugins


class Figures:
    """What one output's attempts came to since the daemon's start, over pauses and changes of its table."""

    def __init__(self) -> None:
        self.outcomes = Labelled()
        self.seconds = Histogram()
        """Of the attempts that delivered."""

    @property
    def delivered(self) -> int:
        """How many events it took."""
        return self.outcomes[("delivered",)]


class Ledger:
    """The books of one output. What says that the far side is away is returned, as the trouble of the whole output."""

    def __init__(
        self,
        name: str,
        settings: OutputSettings,
        cursor: Cursor,
        journal: Journal,
        order: Order,
        plugins: Plugins,
        selection: Selection | None,
        figures: Figures,
    ) -> None:
        self.figures = figures
        self._name = name
        self._settings = settings
        self._cursor = cursor
        self._journal = journal
        self._order = order
        self._plugins = plugins
        self._selection = selection
        self._attempts = {entry.sequence: entry.attempts for entry in cursor.open_entries()}
        """Of what is neither settled nor dead."""
        self._retries: dict[int, int] = {}
        """How often an event failed as an event of its own: how far apart its attempts are."""
        self._failing: set[int] = set()
        """Different events that failed since the last that passed."""
        self._log = structlog.get_logger("boxbridge.dispatch").bind(output=name)

    def attempts(self, sequence: int) -> int:
        """How often an open event was tried."""
        return self._attempts.get(sequence, 0)

    def begin(self, sequence: int) -> int:
        """Count an attempt; returns which one it is."""
        attempt = self._attempts[sequence] = self._attempts.get(sequence, 0) + 1
        return attempt

    def book(self, verdict: Verdict, sequence: int, delivery: Delivery, seconds: float) -> Verdict | None:
        """What became of an attempt that took so many seconds; returns the trouble that the output is in by it."""
        self.figures.outcomes.count(verdict.kind)
        if verdict.kind not in ("delivered", "rejected"):
            self._tell("event_failed", delivery, verdict.reason)
        match verdict.kind:
            case "delivered":
                self._delivered(sequence, delivery, seconds, verdict.reason)
            case "retry":
                return self.retry(sequence, delivery, verdict)
            case "rejected":
                self.bury(sequence, delivery, verdict.reason)
            case "unavailable" if self._order.convicts(sequence):
                reason = f"the far side fell each time it was given this event: {verdict.reason}"
                self._failed(sequence, delivery, Verdict("retry", reason, verdict.after))
                return verdict
            case _:
                self._order.again(sequence)
                return verdict
        return None

    def _delivered(self, sequence: int, delivery: Delivery, seconds: float, note: str) -> None:
        self.figures.seconds.observe(seconds)
        self._failing.clear()
        self._order.passed(sequence)
        self.settle(sequence, "delivered", note)
        self._plugins.tell("event_delivered", output=self._name, delivery=delivery, seconds=seconds)

    def _tell(self, hook: str, delivery: Delivery, reason: str) -> None:
        self._plugins.tell(hook, output=self._name, delivery=delivery, reason=reason)

    def retry(self, sequence: int, delivery: Delivery | None, verdict: Verdict) -> Verdict | None:
        """An event failed; the same on several in a row is no longer about the events, but trouble of the output.

        Not on what a person asked for anew: it may well fail as it did before, and must not close the output to others.
        """
        if not self._cursor.is_asked_for(sequence):
            self._failing.add(sequence)
        self._failed(sequence, delivery, verdict)
        if len(self._failing) < SAME_FAILURE_LIMIT:
            return None
        self._failing.clear()
        return Verdict("unavailable", verdict.reason, verdict.after)

    def _failed(self, sequence: int, delivery: Delivery | None, verdict: Verdict) -> None:
        attempts = self._attempts.get(sequence, 1)
        retries = self._retries[sequence] = self._retries.get(sequence, 0) + 1
        entry = self._cursor.failed(sequence, attempts, verdict.reason)
        if entry is None:
            self._forget(sequence)
            return
        self._journal.moved()
        if now_ms() - entry.failing_since >= self._settings.retry_for * 1000:
            self.bury(sequence, delivery, f"tried for {self._settings.retry_for}: {verdict.reason}")
            return
        self._order.later(sequence, wait_for_event(retries, verdict.after))
        self._log.warning("event failed", event_id=delivery and delivery.event.id, sequence=sequence,
                          attempt=attempts, reason=verdict.reason)  # fmt: skip

    def bury(self, sequence: int, delivery: Delivery | None, reason: str) -> None:
        """Make it a dead letter."""
        event_id = delivery.event.id if delivery else None
        self._log.error("dead letter", event_id=event_id, sequence=sequence, reason=reason)
        self._cursor.bury(sequence, self._forget(sequence), reason)
        self._journal.moved()
        if delivery is not None:
            self._tell("event_dead", delivery, reason)

    def skip(self, sequence: int, event_id: str, skip: Skip) -> None:
        """Close what the output is not to be given."""
        self.figures.outcomes.count(f"skipped_{skip.rule}")
        self._log.debug("event skipped", event_id=event_id, rule=skip.rule)
        self.settle(sequence, "unwanted", skip.reason)

    def settle(self, sequence: int, outcome: str, reason: str = "") -> None:
        """Close it for good. `reason`: why it was not sent, or what the far side did not get as it is."""
        self._cursor.settle(sequence, outcome, self._forget(sequence, delivered=outcome == "delivered"), reason)
        self._journal.moved()

    def _forget(self, sequence: int, *, delivered: bool = False) -> int:
        """Let go of what was counted; returns the attempts."""
        if self._selection is not None:
            self._selection.over(sequence, delivered=delivered)
        self._retries.pop(sequence, None)
        return self._attempts.pop(sequence, 0)
