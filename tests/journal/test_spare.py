"""The spare: reserved where the file system can, and gone where the disk has no room for it."""

from __future__ import annotations

import ctypes
import errno
from pathlib import Path

import pytest

from bridge.journal import spare as spare_module
from bridge.journal.spare import Spare

SIZE = 200_000


def refusing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system that does not reserve, and says why."""

    def refuse(*_: int) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(spare_module, "_FALLOCATE", refuse)


def test_its_blocks_are_reserved_and_a_reader_sees_nothing_of_them(tmp_path: Path) -> None:
    spare = Spare(tmp_path, SIZE)
    spare.make()
    told = spare.path.stat()
    assert (spare.is_there, told.st_size) == (True, 0)
    assert told.st_blocks * 512 >= SIZE


def test_one_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    spare = Spare(tmp_path, SIZE)
    spare.make()
    before = spare.path.stat().st_ino
    spare.make()
    assert spare.path.stat().st_ino == before


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_can_not_reserve_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refusing(monkeypatch, number)
    spare = Spare(tmp_path, SIZE)
    spare.make()
    assert spare.is_there
    assert spare.path.stat().st_blocks == 0


def test_on_a_full_disk_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(monkeypatch, errno.ENOSPC)
    spare = Spare(tmp_path, SIZE)
    spare.make()
    assert not spare.is_there
    assert list(tmp_path.iterdir()) == []
