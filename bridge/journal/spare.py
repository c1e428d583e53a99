"""The spare: a file with reserved blocks that becomes the next segment, so that one can be begun on a full disk too.

Where no new spare can be made, pushes are refused, and what is left of the last one is for the outputs' progress: only
what is known to be delivered can be deleted, and only that makes room.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path
from typing import Final

SPARE: Final = "spare"
"""Its name, beside the segments."""
_KEEP_SIZE: Final = 1
"""Reserve blocks behind the file's end, so that a reader sees nothing of them."""
_UNSUPPORTED: Final = (errno.EOPNOTSUPP, errno.ENOSYS)
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_FALLOCATE: Final = getattr(_LIBC, "fallocate64", None) or _LIBC.fallocate
_FALLOCATE.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class Spare:
    """One file beside the segments. Belongs to the writer's thread."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / SPARE
        self.size = size
        """Bytes that are reserved."""
        self.is_there = False
        """Whether the next segment can be begun whatever the disk has left."""

    def make(self) -> None:
        """Make it, if it is not there and the disk lets it."""
        if self.is_there:
            return
        try:
            fd = self._open()
            try:
                _reserve(fd, self.size)
            finally:
                os.close(fd)
        except OSError:  # full, or in trouble, as whoever writes next will say
            with contextlib.suppress(OSError):
                self.path.unlink()
            return
        self.is_there = True

    def take(self) -> int:
        """A descriptor of it, or of a new file where there is none, empty and for appending; raises OSError."""
        self.is_there = False
        return self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self.path, flags, 0o640)
        if os.fstat(fd).st_size == 0:
            return fd
        os.close(fd)  # a segment that was never finished: its blocks are used
        self.path.unlink()
        return os.open(self.path, flags | os.O_EXCL, 0o640)


def _reserve(fd: int, size: int) -> None:
    """Reserve blocks; raises OSError. Some file systems can't, and have none: there the reserve alone must do."""
    if _FALLOCATE(fd, _KEEP_SIZE, 0, size) != 0:
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number))


def give_back(fd: int) -> None:
    """Free what is reserved behind a file's end."""
    with contextlib.suppress(OSError):  # only room is lost by it
        os.ftruncate(fd, os.fstat(fd).st_size)


def trim(path: Path) -> None:
    """Free what a crash left reserved behind a file's end."""
    with contextlib.suppress(OSError):  # as above
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            give_back(fd)
        finally:
            os.close(fd)
