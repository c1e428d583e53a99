"""The keeper of an archive: seals days that are over and removes those that have outlived their time, now and then."""

from __future__ import annotations

import asyncio
import time
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridge import Threads
from bridge_archive import manifest, retention

_FIRST_SECONDS: Final = 60.0
"""After a start there is more urgent work for the disk."""
_SECONDS: Final = 3600.0
_SURE: Final = 600.0
"""By so many seconds the clock may have been set since the round before; beyond it, it may have jumped."""
_GRACE: Final = timedelta(minutes=10)
"""So long after midnight a day is over: what was on its way has arrived."""


class Keeper:
    """Looks after one archive while it is open. Its work is done in a thread of its own."""

    def __init__(self, root: Path, zone: tzinfo, keep: timedelta | None, size: int | None, log: Any) -> None:
        self._root = root
        self._zone = zone
        self._keep = keep
        self._size = size
        self._log = log
        self._thread = Threads("archive-keeper", 1)
        self._task: asyncio.Task[None] | None = None
        self._changed: set[str] = set()
        """The days that got files since the last round began."""
        self._sealed: dict[str, int | None] = {}
        """The days of which all is sealed, with their bytes where asked for; they need not be looked at again.
        For the thread."""
        self._looked: tuple[float, float] | None = None
        """When the round before was, by the clock and by the time that passed. For the thread."""

    def start(self) -> None:
        """Look after it soon, then each hour; where it does so already, as after a disk's trouble, it goes on."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())

    def stop(self) -> None:
        """Begin no further round; one that is under way ends by itself."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def changed(self, day: str) -> None:
        """Look at a day again in the next round: it got files."""
        self._changed.add(day)

    async def _go_on(self) -> None:
        seconds = _FIRST_SECONDS
        while True:
            await asyncio.sleep(seconds)
            changed, self._changed = self._changed, set()
            await asyncio.shield(self._thread.run(partial(self._look_after, changed)))
            seconds = _SECONDS

    def _look_after(self, changed: set[str]) -> None:
        for day in changed:
            self._sealed.pop(day, None)
        now = datetime.now(self._zone) - _GRACE
        sure = self._clock_ran_on(now)
        try:
            self.seal(now.date())
            self.remove(now.date(), for_age=sure)
        except (OSError, ValueError) as error:
            self._log.warning("the archive could not be looked after; tried again within the hour",
                              folder=str(self._root), error=str(error))  # fmt: skip

    def _clock_ran_on(self, now: datetime) -> bool:
        """Whether as much time passed as the clock says; before the second round nobody knows."""
        before, self._looked = self._looked, (now.timestamp(), time.monotonic())
        if before is None:
            return False
        said, passed = self._looked[0] - before[0], self._looked[1] - before[1]
        return abs(said - passed) < _SURE

    def seal(self, today: date) -> None:
        """Seal the days before today; raises OSError, ValueError."""
        for day in manifest.days(self._root):
            if day >= today.isoformat() or day in self._sealed:
                continue
            count = manifest.seal(self._root, day)
            self._sealed[day] = None
            if count:
                self._log.info("archive day sealed", day=day, files=count, head=manifest.head(self._root))

    def remove(self, today: date, *, for_age: bool = True) -> None:
        """Remove the days that have outlived their time, or have no room; raises OSError."""
        keep = self._keep if for_age else None
        for day in retention.outlived(self._root, today, keep, self._size, self._size_of):
            retention.remove(self._root, day, today)
            self._sealed.pop(day, None)
            self._log.info("archive day removed", day=day, folder=str(self._root))

    def _size_of(self, day: str) -> int:
        size = self._sealed.get(day)
        if size is None:
            size = retention.size_of(self._root / day)
            if day in self._sealed:
                self._sealed[day] = size
        return size
