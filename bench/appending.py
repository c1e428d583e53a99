"""Pushes against boxbridge without outputs: the way from the request to the answer, which ends at the disk."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ledger import Ledger
from bench.load import push_all
from bench.process import cpu_seconds, resident_mb, running
from bench.push import Template
from bench.server import Boxbridge
from bridge.testing.ports import free_port

_SPAWN = multiprocessing.get_context("spawn")
_WARM_UP = 64
_BOXBRIDGE = Boxbridge(output="")


@dataclass(frozen=True)
class Appended:
    """What one run showed."""

    rate: float
    """Answered events a second."""
    latencies: list[float]
    """Milliseconds from the push to its answer, sorted."""
    cpu: float
    """The server's milliseconds of CPU an event."""
    log_bytes: float
    """What an event took in the segments,"""
    other_bytes: float
    """and what it had the kernel write beside them: the index."""
    peak: float
    refused: int

    def latency(self, share: float) -> float:
        """The latency that this share of the pushes did not exceed."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def append(folder: Path, template: Template, events: int, boxes: int, environment: Mapping[str, str]) -> Appended:
    """Start boxbridge on `folder`, push, and stop it."""
    os.sync()
    port = free_port()
    numbers = range(_WARM_UP, _WARM_UP + events)
    ledger = Ledger(_SPAWN, numbers.stop)
    log = folder / "server.log"
    with running(_BOXBRIDGE.command(folder, port, 0), port, log, environment) as server:
        push(template, ledger, range(_WARM_UP), port, boxes)
        cpu, log_size, written = cpu_seconds(server.pid), log_bytes(folder), _written(server.pid)
        push(template, ledger, numbers, port, boxes)
        cpu, log_size = cpu_seconds(server.pid) - cpu, log_bytes(folder) - log_size
        written = _written(server.pid) - written
        peak = resident_mb(server.pid, peak=True)
    done = [n for n in numbers if ledger.answered[n]]
    span = max(ledger.answered[n] for n in done) - ledger.sent[numbers.start]
    return Appended(
        rate=len(done) / span,
        latencies=sorted((ledger.answered[n] - ledger.sent[n]) * 1000 for n in done),
        cpu=cpu * 1000 / events,
        log_bytes=log_size / events,
        other_bytes=max(0, written - log_size) / events,
        peak=peak,
        refused=events - len(done),
    )


def push(template: Template, ledger: Ledger, numbers: range, port: int, boxes: int) -> None:
    """Push these numbers and wait for their answers; raises RuntimeError where the load ends badly."""
    load = _SPAWN.Process(target=push_all, args=(template, ledger, numbers, port, boxes, 0.0), daemon=True)
    load.start()
    load.join()
    if load.exitcode:
        raise RuntimeError(f"the load generator ended with {load.exitcode}")


def log_bytes(folder: Path) -> int:
    """Bytes of the segments below a server's folder."""
    return sum(path.stat().st_size for path in (folder / "data" / "journal").glob("*.seg"))


def _written(pid: int) -> int:
    """Bytes that a process has had the kernel write to disks."""
    found = re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    assert found
    return int(found[1])
