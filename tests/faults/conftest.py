"""What the fault tests share: the shim, processes to break, and a journal that has seen something."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import disk, image
from tests.faults.forks import Forks
from tests.faults.past import Past
from tests.faults.table import counted

__all__ = ["counted"]
"""A fixture from beside this file."""

ROOM = 50_000_000
"""Bytes, many times what a round takes."""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """io.c, compiled."""
    made = disk.compiled(tmp_path_factory.mktemp("shim"))
    if made is None:
        pytest.skip("NOT TESTED: faults of the disk, since that needs gcc (Debian: apt-get install gcc libc6-dev)")
    return made


@pytest.fixture(scope="session", autouse=True)
def mounts() -> None:
    """Nobody else's business."""
    image.keep_mounts_apart()


@pytest.fixture(scope="session")
def forks(shim: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Processes to break."""
    server = Forks(shim, tmp_path_factory.mktemp("forks") / "log")
    yield server
    server.close()


@pytest.fixture(scope="session")
def past(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A journal that was killed: several segments, a dead letter, and pushes that its index does not have."""
    return Past.made(forks, tmp_path_factory.mktemp("past"))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder for rounds whose disk is the shim: what a real one does meanwhile is time. Where it can be, in memory.

    A process that is killed leaves the same in either. Not for what a power cut leaves, nor for calls that fail: reads
    that must not wait for a disk are none of a disk in memory.
    """
    shared = Path("/dev/shm")
    if not shared.is_dir() or shutil.disk_usage(shared).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="boxbridge-faults-", dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def seed() -> int:
    """The same in every run, so that a red one is the fault of a change; BOXBRIDGE_SEED sets another."""
    return int(os.environ.get("BOXBRIDGE_SEED", "1"))
