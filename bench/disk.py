"""The disk: how long it takes to sync, and how to make it act as a slow card."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

SHIM_SOURCE = Path(__file__).with_name("slowsync.c")


def slow_card(folder: Path, delay_ms: float) -> dict[str, str]:
    """Return the environment in which a process's syncs take `delay_ms` longer; the shim is compiled into `folder`."""
    if not delay_ms:
        return {}
    # An absolute path: a relative one silently loads nothing once a launcher has changed its folder.
    shim = (folder / "slowsync.so").resolve()
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-pthread", "-o", shim, SHIM_SOURCE], check=True)
    return {"LD_PRELOAD": str(shim), "SLOWSYNC_MS": str(delay_ms)}


def sync_time(folder: Path, environment: Mapping[str, str]) -> float:
    """Return the median milliseconds of a small write and its fdatasync in `folder`, in that environment."""
    probe = [sys.executable, "-m", "bench.disk", str(folder)]
    finished = subprocess.run(probe, env=os.environ | dict(environment), check=True, capture_output=True, text=True)
    return float(finished.stdout)


def _probe(folder: Path, syncs: int = 50) -> float:
    path = folder / "sync-probe"
    times = []
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(syncs):
            start = time.perf_counter()
            os.write(fd, bytes(4096))
            os.fdatasync(fd)
            times.append(time.perf_counter() - start)
    finally:
        os.close(fd)
        path.unlink()
    return statistics.median(times) * 1000


if __name__ == "__main__":
    print(_probe(Path(sys.argv[1])))
