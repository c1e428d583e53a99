"""Every call on the disk goes wrong in its turn, through a whole walk: once, and from then on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.faults.disk import FAIL, KILL, SHORT, Fault
from tests.faults.forks import Forks
from tests.faults.past import Past, Round

EVERY = 1 if "BOXBRIDGE_ALL_FAULTS" in os.environ else 5
"""Of so many calls one goes wrong, others each time; all where BOXBRIDGE_ALL_FAULTS is set."""

pytestmark = pytest.mark.timeout(1500 / EVERY)

CHANGING = ("write", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "mkdir")


def calls(walk: Round) -> list[str]:
    """The calls of a walk in which all goes well."""
    return [line.path for line in walk.live(recording=True) if line.name == "call"]


def of(made: list[str], *chosen: str) -> Iterator[tuple[int, str]]:
    """Number and name of the calls of these kinds."""
    return ((number, call) for number, call in enumerate(made, 1) if call in chosen)


def some(numbers: list[int], seed: int) -> list[int]:
    """Those of them whose turn it is."""
    return numbers[seed % EVERY :: EVERY]


def sweep(walk: Round, faults: Iterable[Fault]) -> int:
    """A round for each fault, every other one with a hard end; returns in how many of them a call went wrong."""
    hits, wrong = 0, []
    for fault in faults:
        try:
            history = walk.run(fault=fault, hard=fault.at % 2 == 0)
        except AssertionError as error:
            wrong.append(f"{fault}: {error}")
        else:
            hits += bool(history.hits)
            wrong += [f"{fault}: {found}" for found in history.faults(unreadable=fault.what == FAIL)]
    assert not wrong, "\n".join([f"{len(wrong)} are wrong:", *wrong])
    return hits


@pytest.fixture
def walk(forks: Forks, past: Past, tmp_path: Path) -> Round:
    return Round(forks, past, tmp_path / "round")


def test_a_walk_without_faults_is_whole(walk: Round) -> None:
    history = walk.run(recording=True)
    assert history.faults() == []
    assert history.refused == 0
    assert len(history.answered) > 12


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_each_call_that_changes_something_fails(walk: Round, error: str, lasting: bool, seed: int) -> None:
    numbers = [number for number, _ in of(calls(walk), *CHANGING, "open", "close")]
    assert sweep(walk, [Fault(FAIL, number, lasting, getattr(errno, error)) for number in some(numbers, seed)]) > 5


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_each_reading_call_fails(walk: Round, lasting: bool, seed: int) -> None:
    numbers = [number for number, _ in of(calls(walk), "read", "stat")]
    assert sweep(walk, [Fault(FAIL, number, lasting, errno.EIO) for number in some(numbers, seed)]) > 5


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_each_write_falls_short(walk: Round, lasting: bool, seed: int) -> None:
    numbers = [number for number, _ in of(calls(walk), "write")]
    assert sweep(walk, [Fault(SHORT, number, lasting) for number in some(numbers, seed)]) > 5


def test_it_is_killed_before_each_call_that_changes_something(walk: Round, seed: int) -> None:
    numbers = [number for number, _ in of(calls(walk), *CHANGING)]
    sweep(walk, [Fault(KILL, number) for number in some(numbers, seed)])
