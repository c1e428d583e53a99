"""Access: what this user may not use is named with the remedy, and what root makes is left to the folder's owner."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.errors import FileTrouble
from bridge.journal.access import check_access, denied, left_to_owner
from bridge.journal.lock import lock_folder

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: files of others, which only root can make")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user gets to."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o777)
        yield Path(made)


@contextmanager
def no_more_than_others() -> Iterator[str]:
    """Run as a user who is let in no more than others are; gives its name."""
    if os.geteuid() != 0:
        yield pwd.getpwuid(os.geteuid()).pw_name
        return
    os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, 0)
    try:
        yield "nobody"
    finally:
        os.setresuid(0, 0, 0)


def a_file(folder: Path, name: str, owner: int) -> Path:
    path = folder / name
    path.write_bytes(b"")
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, owner, -1)
    return path


def test_files_that_their_owner_may_use_are_let_be(folder: Path) -> None:
    for name in ("00000001.seg", "index.sqlite", "lock", "spare"):
        a_file(folder, name, NOBODY.pw_uid)
    with no_more_than_others():
        check_access(folder)


def test_a_file_that_its_owner_may_not_use_is_named_and_how_many_there_are(folder: Path) -> None:
    for name in ("00000001.seg", "00000002.seg", "index.sqlite"):
        a_file(folder, name, NOBODY.pw_uid).chmod(0)
    with no_more_than_others(), pytest.raises(FileTrouble) as said:
        check_access(folder)
    assert str(said.value) == (
        f"{folder}/00000001.seg (and 2 more) may not be used by its owner: chmod -R u+rwX {folder}"
    )


@as_root
def test_a_file_of_anothers_is_named_with_its_owner(folder: Path) -> None:
    path = a_file(folder, "00000001.seg", 0)
    with no_more_than_others() as me, pytest.raises(FileTrouble) as said:
        check_access(folder)
    assert str(said.value) == (
        f"{path} belongs to root, and {me} may not use it: chown -R {me} {folder}, or run this as root"
    )


def test_where_a_folder_can_not_be_made_the_one_above_is_named(folder: Path) -> None:
    above = folder / "data"
    with no_more_than_others():
        above.mkdir(mode=0o500)
        with pytest.raises(FileTrouble) as said:
            lock_folder(above / "deep" / "journal")
    assert str(said.value) == f"{above} may not be used by its owner: chmod -R u+rwX {above}"
    above.chmod(0o700)


def test_a_user_without_a_name_is_called_by_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, where nobody entered it."""
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    assert "user 54321 may not use it: chown -R user 54321 " in str(denied(folder, folder))


@as_root
def test_what_root_makes_in_anothers_folder_is_the_others(folder: Path) -> None:
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    a_file(folder, "a third one's", NOBODY.pw_uid - 1)

    def make_and_fail() -> None:
        with left_to_owner(folder):
            a_file(folder, "index.sqlite", 0)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        make_and_fail()
    assert {path.name: path.stat().st_uid for path in folder.iterdir()} == {
        "index.sqlite": NOBODY.pw_uid,
        "a third one's": NOBODY.pw_uid - 1,
    }


def test_in_ones_own_folder_nothing_changes_hands(folder: Path) -> None:
    with left_to_owner(folder):
        path = a_file(folder, "index.sqlite", os.geteuid())
    assert path.stat().st_uid == os.geteuid()
