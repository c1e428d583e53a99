"""One process a journal: the lock of its folder. Children must be made by exec: a lock survives in a forked one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bridge.errors import FileTrouble
from bridge.journal.access import check_access, denied
from bridge.journal.failpoint import failpoint
from bridge.journal.folder import LOCK
from bridge.journal.tail import sync_folder


def lock_folder(folder: Path) -> int:
    """Make the folder if need be and lock it for this process; raises FileTrouble, naming who has it."""
    try:
        _make_folder(folder)
        check_access(folder)
        fd = _open_lock(folder / LOCK)
    except PermissionError as error:
        raise denied(Path(error.filename or folder), folder) from error
    except OSError as error:
        remedy = "make it, or give the user who runs boxbridge the right to write there"
        raise FileTrouble(f"{error.filename or folder}: {error.strerror}; {remedy}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise FileTrouble(f"{folder} is in use by process {owner}: stop it first, or set another `data`") from error
    with contextlib.suppress(OSError):  # who has it is only said to people; a full disk must not stop the start
        failpoint("folder locked")
        os.pwrite(fd, f"{os.getpid():<10}\n".encode(), 0)
    return fd


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for a while; raises FileTrouble, naming who has it."""
    fd = lock_folder(folder)
    try:
        yield
    finally:
        os.close(fd)


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o750, exist_ok=True)
        failpoint("folder made")
        sync_folder(folder.parent)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # What is there can be delivered all the same.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
