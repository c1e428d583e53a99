"""The terms on which one device may push: from which addresses, and how often."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from bridge.config.settings import Settings
from bridge.event import shortened
from bridge.networks import Networks
from bridge.normalizer import Parsed, Push
from bridge.options import Rate
from bridge.receiver.aliases import alias_of

_MOST_SENDERS: Final = 10_000
_ANYWHERE: Final = Networks(())
_ROUNDING: Final = 1e-6
"""Seconds."""


class Refusal(Struct, frozen=True):
    """Why a push is not taken."""

    device: str
    """"" where it is not about one."""
    status: int
    reason: str
    retry_after: int = 0
    """Seconds after which the same push would be taken; 0: never, as it is."""


class _Terms(Struct, frozen=True):
    """Those of one device."""

    device: str
    """What it is called."""
    home: Networks
    """Empty: anywhere."""
    rate: Rate | None


class Terms:
    """Those of all devices. False where the configuration has none."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.server.rate
        by_key = {
            key: _Terms(alias.id or key, Networks(alias.networks), alias.rate or self._rate)
            for key, alias in settings.device.items()
        }
        self._of = {own.device: own for own in by_key.values()} | by_key
        """By all names that a push may have for a device; a key comes first, as where events get their names."""
        self._any = bool(self._rate or any(own.home or own.rate for own in self._of.values()))
        self._due: dict[tuple[str, str], float] = {}
        """When a device that pushes from an address would be even with its rate."""

    def __bool__(self) -> bool:
        return self._any

    def refusal(self, push: Push, parsed: Parsed) -> Refusal | None:
        """Why a push is not on the terms of whom it says it is from, None where it is; then it counts for the rate."""
        claimed = list(self._claimed(parsed))
        for own in claimed:
            if own.home and push.peer not in own.home:
                reason = "wrong address: this device may push from its `address` in the configuration only"
                return Refusal(own.device, 403, reason)
        device, rate = claimed[0].device, claimed[0].rate
        wait = self._wait(rate, (device, push.peer)) if rate else 0.0
        if not wait:
            return None
        after = math.ceil(wait)
        return Refusal(device, 429, f"too many pushes: more than {rate} of one device; come again in {after} s", after)

    def _claimed(self, parsed: Parsed) -> Iterator[_Terms]:
        """Those of the devices that a push says it is from."""
        for event in parsed.events:
            yield alias_of(event.device, self._of) or self._plain(event.device.id)
        if not parsed.events:
            yield self._of.get(parsed.device) or self._plain(parsed.device)

    def _plain(self, device: str) -> _Terms:
        return _Terms(shortened(device), _ANYWHERE, self._rate)

    def _wait(self, rate: Rate, sender: tuple[str, str]) -> float:
        """Count a push; seconds until there is room for one, 0 where there is."""
        now = time.monotonic()
        due = max(now, self._due.get(sender, 0.0)) + 1 / rate
        ahead = due - now - max(rate.count, 1.0) / rate
        if ahead > _ROUNDING:
            return ahead
        if len(self._due) >= _MOST_SENDERS:
            self._due.clear()
        self._due[sender] = due
        return 0.0
