"""A replay: a temporary cursor, which opens what it passes again for one output. It keeps what it has yet to read.

It only walks; delivering, failing and dying is the output's own business, as with any event that it has open.
"""

from __future__ import annotations

from threading import Lock

from msgspec.structs import replace

from bridge.journal.cursor import Progress
from bridge.journal.record import PushBlob, ReplayEntry


class Replay:
    """One replay's place in the log."""

    def __init__(self, entry: ReplayEntry) -> None:
        self.number = entry.number
        self.output = entry.output
        self.until = entry.until
        self.rate = entry.rate
        self.asked = entry.asked
        self.next = entry.next
        self.low = entry.next
        """The oldest sequence that the log must keep for it, as the disk knows it."""
        self.opened = entry.opened
        """How many events it opened again."""
        self._entry = entry
        self._logged_next = entry.next
        self._lock = Lock()

    @property
    def over(self) -> bool:
        """Whether it has passed all that it was asked for."""
        return self.next >= self.until

    @property
    def over_on_disk(self) -> bool:
        """Whether the disk knows that too, and so what it opened."""
        return self.low >= self.until

    def wants(self, push: PushBlob, place: int) -> bool:
        """Whether it was asked for this event of a push."""
        return 0 <= place < len(push.events) and is_wanted(self._entry, push, place)

    def pass_to(self, sequence: int, *, opened: int = 0) -> None:
        """Move on; what is below is opened again, so many events of it now, or not wanted."""
        with self._lock:
            self.next = max(self.next, sequence)
            self.opened += opened

    def cancel(self) -> None:
        """Open nothing more."""
        self.pass_to(self.until)

    # --- The writer's side

    @property
    def moved(self) -> bool:
        """Whether there is something to log."""
        return self.next != self._logged_next

    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            return Progress(self.next, (), self.opened)

    def logged(self, progress: Progress) -> None:
        """This progress is on disk."""
        with self._lock:
            self._logged_next = self.low = progress.next

    def entry(self) -> ReplayEntry:
        """The whole state."""
        with self._lock:
            return replace(self._entry, next=self.next, opened=self.opened)


def is_wanted(asked: ReplayEntry, push: PushBlob, place: int) -> bool:
    """Whether a replay takes an event."""
    event = push.events[place]
    return (
        push.received >= asked.since
        and (not asked.before or push.received < asked.before)
        and asked.device in ("", event.device)
        and asked.kind in ("", event.kind)
    )
