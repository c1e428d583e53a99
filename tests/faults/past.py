"""A round: a copy of a journal with a past, a life in which something goes wrong, and the proof of what is left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.forks import Forks, Job
from tests.faults.history import History, Line


@dataclass(frozen=True)
class Past:
    """A journal as a kill left it, and what was told of it."""

    folder: Path
    lines: list[Line]

    @classmethod
    def made(cls, forks: Forks, folder: Path) -> Past:
        """One life that ends without closing anything."""
        folder.mkdir(parents=True, exist_ok=True)
        job = Job(do="past", folder=folder / "journal", record=folder / "record", name="past", hard=True)
        return cls(job.folder, forks.run(job))

    def copy(self, to: Path) -> Path:
        """Its files at another place."""
        shutil.rmtree(to, ignore_errors=True)
        return shutil.copytree(self.folder, to)


@dataclass(frozen=True)
class Round:
    """What is done with one copy of the past."""

    forks: Forks
    past: Past
    folder: Path
    """Of its own; emptied first."""

    def run(self, **job: object) -> History:
        """Do one job, then prove what is left; the history of past, job and proof."""
        return self.prove(self.past.lines + self.live(**job))

    def live(self, **job: object) -> list[Line]:
        """One job on a new copy."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.past.folder.exists():
            self.past.copy(self.journal)
        return self.again(**job)

    def again(self, **job: object) -> list[Line]:
        """One more job on what is there."""
        record = self.folder / f"record{len(list(self.folder.glob('record*')))}"
        return self.forks.run(replace(Job(do="walk", folder=self.journal, record=record, name="now"), **job))  # type: ignore[arg-type]

    def prove(self, lines: list[Line], **job: object) -> History:
        """Start, have every device push again what it ever sent, and hold what is there against what was told."""
        history = History().tell(lines)
        return history.tell(self.again(**{"do": "prove", "again": frozenset(history.sent), **job}))

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.folder / "journal"
