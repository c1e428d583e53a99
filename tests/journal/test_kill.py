"""kill -9 at any moment: what was answered is there, and nothing is settled that was not delivered."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journal.journals import contents, running

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
ROUNDS = 12


def killed_after(seconds: float, folder: Path, name: str) -> list[list[str]]:
    """What an appender said before it was killed, that long after its journal was open."""
    command = [sys.executable, "-m", "tests.journal.appender", str(folder), name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.decode().split())
            if said[-1] == ["open"]:
                break
        time.sleep(seconds)
        process.kill()
        said += [line.decode().split() for line in process.stdout]
    assert process.returncode == -9
    return said


async def test_what_was_answered_survives_kill_9(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    answered: set[str] = set()
    settled: set[int] = set()
    for round_ in range(ROUNDS):
        for words in killed_after(chance.uniform(0, 0.25), tmp_path, f"r{round_}"):
            if words[0] == "stored":
                answered.add(words[1])
            elif words[0] == "settled":
                settled.add(int(words[1]))
        if chance.random() < 0.3:
            (tmp_path / "index.sqlite").unlink(missing_ok=True)
    async with running(tmp_path) as journal:
        found = await contents(journal)
        assert answered <= set(found.values())
        assert len(set(found.values())) == len(found)
        cursor = journal.cursors["out"]
        left = {entry.sequence for entry in cursor.open_entries()}
        done = set(range(1, cursor.next)) - left
        assert done <= settled
        assert len(answered) > ROUNDS
        assert len(done) > ROUNDS


@pytest.fixture
def seed() -> int:
    """Printed where a test fails, to try it again."""
    number = random.SystemRandom().randrange(10**6)
    print(f"seed {number}")
    return number
