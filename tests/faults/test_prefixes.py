"""The power fails after every single call of a walk, and of what was not synced any part is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.forks import Forks
from tests.faults.history import History
from tests.faults.past import Past, Round
from tests.faults.replay import Disk

STEP = 1 if "BOXBRIDGE_ALL_FAULTS" in os.environ else 5
"""Every how many states one is tried, others each time; all where BOXBRIDGE_ALL_FAULTS is set."""
pytestmark = pytest.mark.timeout(3000 / STEP)


def check(forks: Forks, past: Past, folder: Path, seed: int, step: int = STEP) -> int:
    """Start on each state that a walk may leave; returns how many there were."""
    walk = Round(forks, past, folder / "round")
    lines = walk.live(recording=True)
    states = list(Disk(past.folder).states(lines))[seed % step :: step]
    wrong = []
    for state in states:
        state.put(walk.journal)
        (walk.folder / "record1").unlink(missing_ok=True)
        told = past.lines + lines[: state.after]
        try:
            history = walk.prove(told)
        except AssertionError as error:
            wrong.append(f"after {state.after} calls, {state.what}: {error}")
            continue
        last = lines[state.after - 1]
        wrong += [f"after {last.name} {last.path}, {state.what}: {found}" for found in history.faults()]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(states)} are wrong:", *wrong[:20]])
    return len(states)


def test_whatever_part_of_a_walk_reached_the_disk_nothing_answered_is_lost(
    forks: Forks, past: Past, memory: Path, seed: int
) -> None:
    assert check(forks, past, memory, seed) > 100


def test_a_walk_from_nothing(forks: Forks, memory: Path, seed: int) -> None:
    """The very first start, too: nothing is there yet, not even a name."""
    (memory / "empty").mkdir()
    assert check(forks, Past(memory / "empty", []), memory, seed) > 100


def test_the_walk_is_what_it_says(forks: Forks, past: Past, memory: Path) -> None:
    """The last state of the replay is what really lies on disk."""
    walk = Round(forks, past, memory / "round")
    lines = walk.live(recording=True)
    *_, last = (state for state in Disk(past.folder).states(lines) if state.what == "all arrived")
    there = {path.name: path.read_bytes() for path in walk.journal.glob("*.seg")}
    assert there == {name: content for name, content in last.files.items() if name.endswith(".seg")}
    assert not History().tell(past.lines + lines).faults()
    shutil.rmtree(walk.folder)
