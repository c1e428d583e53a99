"""Single files and folders that last: what these functions have returned from survives a power cut.

They block, and raise OSError; a file that failed to sync is never synced again but written anew.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_BLOCK = 4096


def write_file(path: Path, data: bytes, modified: float, *, sync: bool = True) -> None:
    """Write a whole file, changed at this time (seconds since 1970); `sync`: False where another sync follows."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        _write_all(descriptor, data, 0)
        os.utime(descriptor, (modified, modified))
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_lines(path: Path, lines: list[bytes]) -> None:
    """Append whole lines, all or none; makes the file where it is not there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        end = _end_of_last_line(descriptor, size)
        if end < size:
            # A torn line, of a cut in power: its event did not count as delivered, so its line comes again.
            os.ftruncate(descriptor, end)
        try:
            _write_all(descriptor, b"".join(line + b"\n" for line in lines), end)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
    if size == 0:
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and all above it."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder last: files that were made in it, renamed or removed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems have no such thing as syncing a folder, and say so by this.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest = rest[written:]
        offset += written


def _end_of_last_line(descriptor: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
