"""How fast a folder's disk makes bytes safe: measured as the journal writes, one group and one sync after the other."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from bridge.journal.segment import GROUP_ALIGNMENT

PICTURE_BYTES: Final = 296_000
"""What a push with a picture of 1920x1080 takes in the log,"""
SMALL_BYTES: Final = 4_000
"""and what one does that has none to speak of."""
BOXES: Final = 16
"""So many push at once, where it is not one alone."""
NEEDED_BYTES: Final = 200_000_000
"""Free room that a measurement wants; most of it stays unused."""
_PROBE: Final = "boxbridge-doctor.tmp"
_LEAST_GROUPS: Final = 20
_MOST_BYTES: Final = 150_000_000
"""In one series: a card wears out by what is written to it."""


class Series(Struct, frozen=True):
    """What groups of one size showed."""

    pushes: int
    """In a group, all made safe by one sync."""
    bytes: int
    """Of one push."""
    groups: int
    seconds: float
    """All groups together, written and synced."""
    sync_ms: float
    """The median of the syncs alone,"""
    sync_ms_p99: float
    sync_ms_worst: float

    @property
    def rate(self) -> float:
        """Pushes a second."""
        return self.pushes * self.groups / self.seconds

    @property
    def bytes_rate(self) -> float:
        """Bytes a second."""
        return self.rate * self.bytes


def measure(folder: Path, pushes: int, size: int, seconds: float) -> Series:
    """Write groups of that many pushes of that many bytes for about so long; raises OSError."""
    data = os.urandom(size)  # what a disk can neither compress nor has already
    group = [data] * pushes
    group.append(bytes(-(pushes * size) % GROUP_ALIGNMENT))
    syncs: list[float] = []
    with _probe(folder) as fd:
        began = now = time.perf_counter()
        while len(syncs) < _LEAST_GROUPS or (now - began < seconds and len(syncs) * pushes * size < _MOST_BYTES):
            os.writev(fd, group)
            written = time.perf_counter()
            os.fdatasync(fd)
            now = time.perf_counter()
            syncs.append((now - written) * 1000)
    return Series(
        pushes=pushes,
        bytes=size,
        groups=len(syncs),
        seconds=now - began,
        sync_ms=statistics.median(syncs),
        sync_ms_p99=sorted(syncs)[-1 - len(syncs) // 100],
        sync_ms_worst=max(syncs),
    )


@contextmanager
def _probe(folder: Path) -> Iterator[int]:
    """A file to write to, gone afterwards; what a killed measurement left is taken over and goes with it."""
    path = folder / _PROBE
    fd = -1
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        yield fd
    except KeyboardInterrupt:  # it may come before the descriptor is known
        path.unlink(missing_ok=True)
        raise
    finally:
        if fd >= 0:
            os.close(fd)
            path.unlink(missing_ok=True)
