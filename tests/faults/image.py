"""A small disk of its own: an ext4 image on a loop device, whose power can be cut. Needs root."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NEW_MOUNTS = 0x20000
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Image:
    """An image that is mounted and unmounted."""

    def __init__(self, file: Path, megabytes: int, *options: str) -> None:
        self.file = file
        self.folder = file.with_suffix(".mounted")
        self.folder.mkdir(exist_ok=True)
        with file.open("wb") as made:
            made.truncate(megabytes * 1_000_000)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", *options, str(file))

    @contextmanager
    def mounted(self, options: str = "loop") -> Iterator[Path]:
        """The disk while it is there; whoever has files open on it must close them."""
        _run("mount", "-o", options, str(self.file), str(self.folder))
        try:
            yield self.folder
        finally:
            _run("umount", str(self.folder))

    def write_page_by_page(self) -> None:
        """Ask for no more than a page at a time, while it is mounted.

        Where there is room for a part of a request, a loop device writes that part and calls all of it written.
        """
        device = _run("findmnt", "-n", "-o", "SOURCE", str(self.folder)).strip()
        Path("/sys/block", Path(device).name, "queue/max_sectors_kb").write_text("4")


@contextmanager
def memory(folder: Path, megabytes: int) -> Iterator[Path]:
    """A folder in memory, with room for so much and no more."""
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))
    try:
        yield folder
    finally:
        _run("umount", str(folder))


def keep_mounts_apart() -> None:
    """Show what is mounted from now on to this process and its children alone.

    Else a browser or a service that begins meanwhile, in a namespace of its own, keeps it mounted behind our back, and
    a disk whose power was cut is never mounted anew.
    """
    if missing() is None and ctypes.CDLL(None).unshare(_NEW_MOUNTS) == 0:
        _run("mount", "--make-rprivate", "/")


def missing() -> str | None:
    """Why there can be no such disk here; None where there can."""
    if os.geteuid() != 0:
        return "that needs root, to mount an image"
    if shutil.which("mkfs.ext4", path=PATH) is None:
        return "that needs mkfs.ext4 (Debian: apt-get install e2fsprogs)"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices here"
    return None


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"PATH": PATH})
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def made_or_skipped(file: Path, what: str) -> Image:
    """A disk for a test, which else is skipped, saying loudly what is not tested."""
    reason = missing()
    if reason:
        pytest.skip(f"NOT TESTED: {what}, since {reason}")
    try:
        made = Image(file, 64)
        with made.mounted():
            pass
    except OSError as error:
        pytest.skip(f"NOT TESTED: {what}, since no disk can be made here: {error}")
    return made
