"""All that the log tells of outputs: where each stands, the replays under way, and what the history notes besides."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bridge.journal.cursor import Cursor, Progress
from bridge.journal.notes import Notes, Pending
from bridge.journal.record import ChangesBlob, StateBlob
from bridge.journal.replay import Replay


class Moves(Struct, frozen=True):
    """What is yet to be logged."""

    progress: Sequence[tuple[Cursor | Replay, Progress]]
    notes: Pending = Pending()

    def __bool__(self) -> bool:
        return bool(self.progress or self.notes)

    def blob(self) -> ChangesBlob:
        """One CHANGES record for all of it."""
        return ChangesBlob(
            tuple([(place.number, made.next) for place, made in self.progress]),
            tuple([change for _, made in self.progress for change in made.changes]),
            self.notes.outputs,
            self.notes.turned_away,
            tuple([(place.number, made.opened) for place, made in self.progress if made.opened]),
        )


class Places:
    """The loop changes what is in here, the writer brings it to disk."""

    def __init__(self) -> None:
        self.next_number = 1
        """The number of the next new output or replay."""
        self.outputs: list[Cursor] = []
        """Never changed but exchanged, so that the writer may walk it."""
        self.replays: list[Replay] = []
        """As `outputs`."""
        self.notes = Notes()

    def new_number(self) -> int:
        """A number that no output or replay ever had."""
        number = self.next_number
        self.next_number += 1
        return number

    @property
    def all(self) -> list[Cursor | Replay]:
        """Every place in the log. Replays first: what one has passed must have been opened again before."""
        return [*self.replays, *self.outputs]

    @property
    def moved(self) -> bool:
        """Whether there is something to log within a second."""
        return any(place.moved for place in self.all) or self.notes.urgent

    def moves(self) -> Moves:
        """All that is to be logged; stays until `logged` says that it is on disk."""
        return Moves([(place, place.progress()) for place in self.all if place.moved], self.notes.pending())

    def logged(self, moves: Moves) -> None:
        """This is on disk."""
        for place, made in moves.progress:
            place.logged(made)
        self.notes.logged(moves.notes)

    def fold(self) -> None:
        """Bound what waits for a disk that takes nothing, which may be for days: the history loses by it, no more."""
        for cursor in self.outputs:
            cursor.fold()
        self.notes.fold()

    def state(self) -> StateBlob:
        """The whole of it. Replays first, as above."""
        replays = tuple(replay.entry() for replay in self.replays if not replay.over)
        return StateBlob(self.next_number, tuple(cursor.entry() for cursor in self.outputs), replays)
