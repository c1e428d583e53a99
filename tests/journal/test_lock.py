"""The lock: one process a journal, and a sentence for the second."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import FileTrouble
from bridge.journal.lock import lock_folder, locked
from tests.journal.faults import Fault


def test_a_second_one_is_told_who_has_it(tmp_path: Path) -> None:
    fd = lock_folder(tmp_path / "journal")
    with pytest.raises(FileTrouble, match=rf"journal is in use by process {os.getpid()}: stop it first"):
        lock_folder(tmp_path / "journal")
    os.close(fd)
    os.close(lock_folder(tmp_path / "journal"))


def test_a_process_that_was_killed_leaves_it_free(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from bridge.journal.lock import lock_folder
lock_folder(Path({str(tmp_path)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    os.close(lock_folder(tmp_path))


def test_folders_are_made_where_they_are_missing(tmp_path: Path) -> None:
    os.close(lock_folder(tmp_path / "a" / "b" / "journal"))
    assert (tmp_path / "a" / "b" / "journal" / "lock").exists()


def test_a_child_made_by_exec_does_not_keep_it(tmp_path: Path) -> None:
    fd = lock_folder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        os.close(fd)
        os.close(lock_folder(tmp_path))
        child.communicate(b"\n")


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(FileTrouble, match=r"data.*Not a directory; make it, or give the user"):
        lock_folder(tmp_path / "data" / "journal")


def test_it_is_free_again_after_a_while_that_ended_with_an_error(tmp_path: Path) -> None:
    def hold_and_fail() -> None:
        with locked(tmp_path):
            with pytest.raises(FileTrouble, match="is in use by process"):
                lock_folder(tmp_path)
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        hold_and_fail()
    os.close(lock_folder(tmp_path))


def test_on_a_disk_that_is_read_only_it_is_held_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(lock_folder(tmp_path))
    for call in ("open", "pwrite"):
        Fault(monkeypatch, call, errno.EROFS)
    fd = lock_folder(tmp_path)
    with pytest.raises(FileTrouble, match="is in use by process"):
        lock_folder(tmp_path)
    os.close(fd)


def test_where_it_can_not_be_opened_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fault(monkeypatch, "open", errno.EMFILE)
    with pytest.raises(FileTrouble, match="Too many open files"):
        lock_folder(tmp_path)
