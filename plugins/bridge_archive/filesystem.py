"""Syncing all that was written to a file system at once, where that lasts as surely as syncing each file does."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_FLUSHING: Final = frozenset((0xEF53, 0x58465342, 0x9123683E, 0xF2F52010))
"""ext2 to ext4, XFS, Btrfs, F2FS: their `syncfs` makes the disk empty its own cache. FAT and FUSE don't promise it."""
_TELLING: Final = (5, 8)
"""Since this version of Linux `syncfs` says what could not be written."""
_LONGS: Final = 32
"""More than any system's `struct statfs` has; its first number is the file system's type."""

_library: Final[Any] = ctypes.CDLL(None, use_errno=True)


def syncs_as_one(folder: Path) -> bool:
    """Whether a folder's file system can be synced at once; raises OSError."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if not hasattr(_library, "syncfs") or not version or (int(version[1]), int(version[2])) < _TELLING:
        return False
    told = (ctypes.c_long * _LONGS)()
    if _library.statfs(os.fsencode(folder), told):
        raise _error(folder)
    return told[0] & 0xFFFFFFFF in _FLUSHING


@contextmanager
def synced_as_one(folder: Path) -> Iterator[None]:
    """Sync the folder's file system behind what is written within; raises OSError, also for what others wrote there."""
    # Opened before anything is written: `syncfs` tells each descriptor what failed since then.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
        if _library.syncfs(descriptor):
            raise _error(folder)
    finally:
        os.close(descriptor)


def _error(folder: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(folder))
