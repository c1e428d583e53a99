"""At every named place on the way to the disk: killed, failed, held up; and killed once more during the next start."""

from __future__ import annotations

import errno
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.journal.spare import SPARE
from tests.faults import points
from tests.faults.disk import FAIL, SHORT, Fault
from tests.faults.forks import Forks
from tests.faults.past import Past, Round

SECOND_KILLS = 3
"""How many places of the next start are tried after each kill."""


def newest(folder: Path) -> str:
    """The name of the newest segment."""
    return max(path.name for path in folder.glob("*.seg"))


def following(name: str) -> str:
    """The name of the segment after this one."""
    return f"{int(name[:8]) + 1:08}.seg"


SEGMENT_FAILS = Fault(FAIL, 1, error=errno.EIO, call="write", path=SPARE)
FAULTS: dict[str, Callable[[Path], Fault]] = {
    "short write to be cut off": lambda folder: Fault(SHORT, 1, call="write", path=following(newest(folder))),
    "unsynced record to be copied": lambda folder: Fault(
        FAIL, 1, error=errno.EIO, call="fdatasync", path=newest(folder)
    ),
    "failed segment to be removed": lambda _: SEGMENT_FAILS,
    "intake to be opened again": lambda _: SEGMENT_FAILS,
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
def walk(forks: Forks, past: Past, memory: Path) -> Round:
    return Round(forks, past, memory / "round")


@pytest.mark.parametrize("point", points.names())
def test_nothing_answered_is_lost(point: str, walk: Round, seed: int) -> None:
    chance = random.Random(seed)
    walk = prepare(point, walk)
    fault = FAULTS[point](walk.past.folder) if point in FAULTS else Fault()
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
