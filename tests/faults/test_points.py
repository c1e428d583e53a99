"""At every named place on the way to the disk: killed, failed, held up; and killed once more during the next start."""

from __future__ import annotations

import errno
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import points
from tests.faults.disk import FAIL, SHORT, Fault
from tests.faults.forks import Forks
from tests.faults.history import Line
from tests.faults.past import Past, Round

SECOND_KILLS = 3
"""How many places of the next start are tried after each kill."""


def number_of(lines: list[Line], call: str, segment: str) -> int:
    """Which of a walk's calls is the first of this kind on this segment."""
    calls = [line for line in lines if line.name == "call"]
    return next(n for n, line in enumerate(calls, 1) if (line.path, line.data.decode()) == (call, segment))


def newest(folder: Path) -> str:
    """The name of the newest segment."""
    return max(path.name for path in folder.glob("*.seg"))


def following(name: str) -> str:
    """The name of the segment after this one."""
    return f"{int(name[:8]) + 1:08}.seg"


def write_fails(walk: Round, *, what: int = FAIL, lasting: bool = False, place: int = 2) -> Fault:
    """A write to the new segment goes wrong, if nothing is said the first behind header and state."""
    begun = following(newest(walk.past.folder))
    calls = [line for line in walk.live(recording=True) if line.name == "call"]
    numbers = [n for n, line in enumerate(calls, 1) if (line.path, line.data.decode()) == ("write", begun)]
    return Fault(what, numbers[place], lasting, errno.EIO)


def sync_fails(walk: Round) -> Fault:
    """The newest segment can't be synced at the start."""
    lines = walk.live(recording=True)
    return Fault(FAIL, number_of(lines, "fdatasync", newest(walk.past.folder)), error=errno.EIO)


FAULTS: dict[str, Callable[[Round], Fault]] = {
    "short write to be cut off": lambda walk: write_fails(walk, what=SHORT),
    "failed segment to be removed": lambda walk: write_fails(walk, place=0),
    "intake closed": lambda walk: write_fails(walk, lasting=True),
    "intake to be opened again": lambda walk: write_fails(walk, lasting=True),
    "unsynced record to be copied": sync_fails,
}
"""What else must go wrong for a place to be reached."""


def prepare(point: str, walk: Round) -> Round:
    """Bring about what the place is for."""
    if point == "file to be set aside":
        walk.journal.mkdir(parents=True)
        (walk.past.copy(walk.journal) / "00000077.seg").write_bytes(b"torn")
    elif point == "folder made":
        return Round(walk.forks, Past(Path("/nowhere"), []), walk.folder)
    elif point == "blank segment to be removed":
        lines = walk.past.lines + walk.live(do="rest")
        lines += walk.again(do="rest")
        return Round(
            walk.forks, Past(shutil.copytree(walk.journal, walk.folder.with_name("blank")), lines), walk.folder
        )
    else:
        return walk
    past = Past(shutil.copytree(walk.journal, walk.folder.with_name("aside")), walk.past.lines)
    return Round(walk.forks, past, walk.folder)


@pytest.fixture
def walk(forks: Forks, past: Past, tmp_path: Path) -> Round:
    return Round(forks, past, tmp_path / "round")


@pytest.mark.parametrize("point", points.names())
def test_nothing_answered_is_lost(point: str, walk: Round, seed: int) -> None:
    chance = random.Random(seed)
    walk = prepare(point, walk)
    fault = FAULTS.get(point, lambda _: Fault())(walk)
    unreadable = fault.what == FAIL
    for action in ("raise", "sleep"):
        history = walk.run(point=(point, action, 1), fault=fault, unwelcome=("Exception ignored",))
        assert point in history.reached
        assert not history.faults(unreadable=unreadable or action == "raise"), (action, history.faults())
    for _ in range(SECOND_KILLS):
        lines = walk.past.lines + walk.live(point=(point, "kill", 1), fault=fault)
        lines += walk.again(do="prove", point=("", "kill", chance.randint(1, 14)))
        history = walk.prove(lines)
        assert point in history.reached
        assert not history.faults(unreadable=unreadable), history.faults()


def test_there_are_enough_and_each_is_in_one_place() -> None:
    assert len(points.names()) >= 25
    assert Counter(points.names()).most_common(1)[0][1] == 1
