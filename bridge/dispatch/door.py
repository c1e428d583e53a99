"""The door of one output: opening and closing it, waiting while the far side is away, and saying how it stands."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Literal

import structlog

from bridge.config.settings import OutputSettings
from bridge.dispatch.call import Caller, is_plain
from bridge.dispatch.policy import Verdict, judge, wait_for_output
from bridge.errors import why
from bridge.output import Output
from bridge.plugins import Plugins

LaneState = Literal["opening", "open", "waiting", "paused", "stopped"]


class Door:
    """What one output is behind. `open` and `wait` by turns; `close` after each `open` that succeeded."""

    def __init__(
        self, output: Output, settings: OutputSettings, caller: Caller, plugins: Plugins, waiting: Callable[[], int]
    ) -> None:
        self.state: LaneState = "opening"
        self.reason = ""
        """Why it is not open; what was found at the far side where it is."""
        self.since = time.time()
        """When the state began."""
        self._said: LaneState = "opening"
        self.retry_at: float | None = None
        self.trouble: Verdict | None = None
        """Why it is to be closed; None while all is well."""
        self.failures = 0
        """How often in a row the output was away."""
        self.proven = True
        """Whether a delivery passed since the output was last away."""
        self.tried = asyncio.Event()
        """Set when the first attempt to open the output has ended."""
        self.stopping = asyncio.Event()
        self._output = output
        self._settings = settings
        self._caller = caller
        self._plugins = plugins
        self._waiting = waiting
        self._opening: asyncio.Task[Any] | None = None
        self._log = structlog.get_logger("boxbridge.dispatch").bind(output=output.name)

    # --- Open, wait, close

    async def open(self) -> bool:
        """Open the output; returns whether it is open. `stop` cancels it."""
        self.trouble = None
        began = time.monotonic()
        self._opening = asyncio.create_task(self._call(self._output.open))
        try:
            found = await self._opening
        except asyncio.CancelledError:
            if not self.stopping.is_set():
                raise
            return False
        except Exception as error:  # noqa: BLE001 - an output may raise anything; the policy says what it means
            self._failed_to_open(error)
            return False
        finally:
            self._opening = None
        if self.trouble is None:
            self.change("open", found if isinstance(found, str) else "")
            self._log.debug("opened", seconds=round(time.monotonic() - began, 3))
        return True

    def _failed_to_open(self, error: Exception) -> None:
        verdict = judge(error, self._output.unavailable)
        if verdict.unexpected:
            self._log.warning("output failed to open", exc_info=error)
        kind: Any = "stopped" if verdict.kind in ("stopped", "rejected") else "unavailable"
        self.note(Verdict(kind, verdict.reason, verdict.after))

    async def wait(self) -> None:
        """Back off after trouble; a paused output waits until the daemon takes its configuration anew."""
        trouble = self.trouble or Verdict("unavailable", "unknown")
        self.proven = False
        if trouble.kind == "stopped":
            self.change("paused", trouble.reason)
            await self._sleep(None)
            return
        self.failures += 1
        seconds = wait_for_output(self.failures, trouble.after)
        self.retry_at = time.monotonic() + seconds
        self.change("waiting", trouble.reason)
        await self._sleep(seconds)
        self.retry_at = None

    async def _sleep(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def close(self) -> None:
        """Close the output, whatever it says to that."""
        try:
            await self._call(self._output.close)
        except Exception as error:  # noqa: BLE001 - as above; the output is given up anyway
            self._log.warning("output failed to close", error=why(error))

    async def _call(self, function: Callable[[], Any]) -> Any:
        return await self._caller.call(function, self._settings.timeout, self._note_overdue, plain=is_plain(function))

    def _note_overdue(self) -> None:
        self.note(overdue(self._settings))

    def stop(self) -> None:
        """See to it that `open` and `wait` return."""
        self.stopping.set()
        if self._opening is not None:
            self._opening.cancel()

    # --- How it stands

    def note(self, verdict: Verdict) -> bool:
        """The output is away; the first reason counts, but a wish to stop outweighs it. Returns whether this counts."""
        counts = self.trouble is None or verdict.kind == "stopped"
        if counts:
            self.trouble = verdict
        return counts

    @property
    def stopped(self) -> Verdict | None:
        """Why it is to be paused, or is; None where it goes on."""
        return self.trouble if self.trouble is not None and self.trouble.kind == "stopped" else None

    def passed(self) -> None:
        """A delivery passed: the far side is there."""
        self.proven = True
        self.say()
        self.failures = 0

    def show_trouble(self) -> None:
        """Say that it is about to be closed, and why, if it is."""
        if self.trouble is not None:
            self.change("paused" if self.trouble.kind == "stopped" else "waiting", self.trouble.reason)

    def change(self, state: LaneState, reason: str) -> None:
        """Take a new state, and say so. Whether a far side is back that was away only shows when a delivery passes."""
        self.tried.set()
        self.state, self.reason = state, reason
        if state != "open" or self.proven or not self._waiting():
            self.say()

    def say(self) -> None:
        """Tell how it stands: once a change of state, not once an attempt."""
        state, reason = self.state, self.reason
        if state == self._said:
            return
        self._said = state
        self.since = time.time()
        waiting = self._waiting() if state == "open" and self.failures else 0
        note = f", {waiting} waiting" if waiting else ""
        text = f"output {self._output.name} ({self._settings.type}) is {state}{note}"
        if state in ("waiting", "paused"):
            self._log.warning(text, reason=reason)
        elif state == "open":
            self._log.info(text, found=reason or None)
        self._plugins.tell("output_state_changed", output=self._output.name, state=state, reason=reason)


def overdue(settings: OutputSettings) -> Verdict:
    """What it means when the output does not answer within its timeout."""
    return Verdict("unavailable", f"no answer within {settings.timeout}")
