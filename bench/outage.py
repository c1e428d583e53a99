"""One output dead, the other not to notice: the live output's latency and the daemon's memory, with and without.

    python bench/outage.py                   10,000 small events, a webhook to a closed port beside MQTT
    python bench/outage.py --rate 0          as fast as they are answered

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process import resident_mb
from bench.push import make_template
from bench.rig import Rig, rig, use_two_cores
from bench.server import Boxbridge, dead_webhook
from bridge.testing import draw_dot

_POINTS = 5
_TITLES = [
    "p50 ms",
    "p99 ms",
    "max ms",
    "events/s",
    "lost",
    "dupl.",
    "RSS MB: start",
    "25 %",
    "50 %",
    "75 %",
    "end",
    "peak",
]


@dataclass(frozen=True)
class Outage:
    """What one run showed."""

    latencies: list[float]
    """Milliseconds from reading the answer to the event at the subscriber, sorted."""
    rate: float
    lost: int
    duplicated: int
    resident: list[float]
    """The daemon's resident memory in MB, at points spread evenly over the run."""
    peak: float

    @property
    def p50(self) -> float:
        """Half of the events were faster."""
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        """One in a hundred was slower."""
        return self.latencies[len(self.latencies) * 99 // 100]

    def cells(self) -> list[str]:
        """Format it as a row of the table."""
        speed = [f"{value:.2f}" for value in (self.p50, self.p99, self.latencies[-1])]
        memory = [f"{value:.1f}" for value in (*self.resident, self.peak)]
        return [*speed, f"{self.rate:.0f}", str(self.lost), str(self.duplicated), *memory]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where an acknowledged event was lost."""
    options = _options(arguments)
    use_two_cores()
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-outage-", dir=options.folder))
    # Bound and never listened on: every connection is refused, and nobody else can take the port meanwhile.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        servers = [Boxbridge("all alive"), Boxbridge("one dead", tables=dead_webhook(closed.getsockname()[1]))]
        print(f"{options.events} small events, {options.rate or 'any number'} a second")
        print(_row("", _TITLES), flush=True)
        try:
            runs = [
                _run(server, folder / f"{number}-{server.name.replace(' ', '-')}", options)
                for number in range(options.rounds)
                for server in (servers if number % 2 == 0 else reversed(servers))
            ]
        finally:
            if not options.keep:
                shutil.rmtree(folder)
    return _compare(runs)


def _run(server: Boxbridge, folder: Path, options: argparse.Namespace) -> tuple[str, Outage]:
    folder.mkdir()
    with rig(
        server, folder, make_template(draw_dot()), events=options.events, boxes=options.connections, environment={}
    ) as parts:
        samples: list[float] = []
        parts.push(parts.numbers, rate=options.rate, watch=lambda: samples.append(resident_mb(parts.server.pid)))
        time.sleep(0.5)
        samples.append(resident_mb(parts.server.pid))
        outage = _outage(parts, samples)
    print(_row(server.name, outage.cells()), flush=True)
    return server.name, outage


def _outage(parts: Rig, samples: Sequence[float]) -> Outage:
    ledger, numbers = parts.ledger, parts.numbers
    whole = [n for n in numbers if ledger.answered[n] and ledger.delivered(n)]
    elapsed = max(ledger.arrived[n] for n in whole) - ledger.sent[numbers.start]
    return Outage(
        latencies=sorted((ledger.arrived[n] - ledger.answered[n]) * 1000 for n in whole),
        rate=len(whole) / elapsed,
        lost=ledger.lost(numbers),
        duplicated=ledger.duplicated(numbers),
        resident=[samples[(len(samples) - 1) * point // (_POINTS - 1)] for point in range(_POINTS)],
        peak=resident_mb(parts.server.pid, peak=True),
    )


def _compare(runs: Sequence[tuple[str, Outage]]) -> int:
    alive = [outage for name, outage in runs if name == "all alive"]
    dead = [outage for name, outage in runs if name == "one dead"]
    for title, values in (
        ("p50 later with one dead, ms", [b.p50 - a.p50 for a, b in zip(alive, dead, strict=True)]),
        ("p99 later with one dead, ms", [b.p99 - a.p99 for a, b in zip(alive, dead, strict=True)]),
        ("MB gained from 25 % to end", [outage.resident[-1] - outage.resident[1] for outage in dead]),
    ):
        print(f"  {title:28}{statistics.median(values):8.2f}   ({min(values):.2f} to {max(values):.2f})")
    return 1 if any(outage.lost for _, outage in runs) else 0


def _row(title: str, cells: Sequence[str]) -> str:
    return f"  {title:12}" + "".join(
        f"{cell:>{max(9, len(name) + 2)}}" for cell, name in zip(cells, _TITLES, strict=True)
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000, help="pushes a run (10000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each runs (3)")
    parser.add_argument("--rate", type=float, default=500.0, help="pushes a second, 0 for no pause (500)")
    parser.add_argument("--connections", type=int, default=16, help="boxes that push at once (16)")
    parser.add_argument("--folder", help="where the data lies while it runs")
    parser.add_argument("--keep", action="store_true", help="keep configurations, logs and data")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
