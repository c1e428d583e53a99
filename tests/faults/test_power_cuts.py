"""The power fails: a real file system forgets all that was not synced. What was answered before that is delivered."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import image
from tests.faults.disk import CUT, Fault
from tests.faults.forks import Forks, Job
from tests.faults.history import History
from tests.faults.image import Image

pytestmark = pytest.mark.timeout(300)
"""A round that hangs ends by itself, and a machine that does other things too needs minutes for all of them."""

ROUNDS = 200
FRESH = 25
"""After so many rounds the journal begins anew; until then each goes on with what the cuts before left."""
CALLS = 400


class Cuts:
    """Rounds of cuts on one disk, from one seed."""

    def __init__(self, forks: Forks, disk: Image, seed: int) -> None:
        self.rounds = 0
        self.history = History()
        self._forks = forks
        self._disk = disk
        self._chance = random.Random(seed)

    def round(self) -> History:
        """A life that ends with a cut, and a start on what is left; the history since the journal began."""
        if self.rounds % FRESH == 0:
            self.history, self._journal = History(), f"journal{self.rounds}"
        self.rounds += 1
        fault = Fault(CUT, self._chance.randint(1, CALLS))
        with self._disk.mounted() as folder:
            self._do(folder, "push", fault=fault, name=f"r{self.rounds}")
        again = self._chance.sample(sorted(self.history.sent), min(8, len(self.history.sent)))
        with self._disk.mounted() as folder:
            self._do(folder, "prove", again=again)
        return self.history

    def _do(self, folder: Path, do: str, **job: object) -> None:
        record = self._disk.file.with_name("record")
        record.unlink(missing_ok=True)
        told = self._forks.run(Job(do=do, folder=folder / self._journal, record=record, **job))  # type: ignore[arg-type]
        self.history.tell(told)


@pytest.fixture
def disk(tmp_path: Path) -> Image:
    return image.made_or_skipped(tmp_path / "disk.img", "power cuts")


def test_what_was_answered_before_the_power_failed_is_delivered(forks: Forks, disk: Image, seed: int) -> None:
    cuts = Cuts(forks, disk, seed)
    answered = 0
    while cuts.rounds < ROUNDS:
        before = len(cuts.history.answered) if cuts.rounds % FRESH else 0
        history = cuts.round()
        assert not history.faults(), f"round {cuts.rounds}: {history.faults()}"
        answered += len(history.answered) - before
    print(f"{cuts.rounds} cuts, {answered} answered")
    assert answered > cuts.rounds
