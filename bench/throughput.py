"""How fast, at what cost and how sure: boxbridge beside a plain script that stores nothing, in turn on two cores.

    python bench/throughput.py                        both sizes, five rounds
    python bench/throughput.py --sync-delay-ms 8      as on a slow card
    python bench/throughput.py --ways                 WebSocket beside HTTP, and HTTP with a connection for each push
    python bench/throughput.py --only naive --events 500 --rounds 1

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.bars import BARS
from bench.disk import slow_card, sync_time
from bench.figures import Figures, median, row, title_row
from bench.process import resident_mb
from bench.push import Template, Way, make_template
from bench.rig import rig, use_two_cores
from bench.server import Boxbridge, Naive, Server
from bridge.testing import draw_dot, draw_scene

DRAWINGS: dict[str, Callable[[], bytes]] = {"picture": partial(draw_scene, seed=1, size=292_000), "small": draw_dot}
EVENTS = {"picture": 2_000, "small": 20_000}
SERVERS: dict[str, Server] = {"naive": Naive(), "boxbridge": Boxbridge()}
WAYS: tuple[Way, ...] = ("websocket", "closing")
"""boxbridge once more, pushed at in another way than over kept connections."""
_STRAGGLERS = 0.5
"""Seconds that the subscriber listens on, so that late duplicates are seen."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where a bar is missed."""
    options = _options(arguments)
    use_two_cores()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-bench-", dir=options.folder))
    try:
        environment = slow_card(folder, options.sync_delay_ms)
        print(f"{options.rounds} rounds, {options.connections} connections, data in {folder}")
        if options.sync_delay_ms:
            print(
                f"each sync takes {options.sync_delay_ms:g} ms longer; the plain script never syncs, so it never waits"
            )
        missed = sum(_measure_size(size, folder, environment, options) for size in options.sizes)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    return 1 if missed else 0


def _measure_size(size: str, folder: Path, environment: Mapping[str, str], options: argparse.Namespace) -> int:
    picture = DRAWINGS[size]()
    events = options.events or EVENTS[size]
    names = ([options.only] if options.only else list(SERVERS)) + list(WAYS) * options.ways
    body = len(make_template(picture).body)
    print(f"\n{size}: {events} pushes of {body / 1000:.1f} KB, their JPEG {len(picture) / 1000:.1f} KB")
    print(title_row(), flush=True)
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(options.rounds):
        # In turn, and the first of one round is the last of the next: a drift of the machine meets both alike.
        for name in names if number % 2 == 0 else reversed(names):
            place = folder / f"{size}-{number}-{name}"
            place.mkdir()
            template = make_template(picture, next((way for way in WAYS if way == name), "http"))
            figures = _run(name, place, template, events, environment, options.connections)
            runs[name].append(figures)
            print(row(f"{number + 1} {name}", figures), flush=True)
            if not options.keep:
                shutil.rmtree(place)
    for name in names:
        print(row(f"median {name}", median(runs[name])))
    return _judge(size, runs)


def _run(
    name: str, folder: Path, template: Template, events: int, environment: Mapping[str, str], connections: int
) -> Figures:
    server = SERVERS.get(name, SERVERS["boxbridge"])
    with rig(server, folder, template, events=events, boxes=connections, environment=environment) as parts:
        sync = sync_time(folder, environment)
        before = parts.cpu_seconds()
        parts.push(parts.numbers)
        time.sleep(_STRAGGLERS)
        after = parts.cpu_seconds()
        ledger, numbers = parts.ledger, parts.numbers
        start = ledger.sent[numbers.start]
        acknowledged = ledger.acknowledged(numbers)
        elapsed = max(ledger.arrived[n] for n in numbers) - start
        used = {part: seconds - (before[part] if part != "load" else 0) for part, seconds in after.items()}
        return Figures(
            answered=acknowledged / (max(ledger.answered[n] for n in numbers) - start),
            delivered=ledger.arrivals(numbers) / elapsed,
            cpu=used["server"] * 1000 / events,
            peak=resident_mb(parts.server.pid, peak=True),
            lost=ledger.lost(numbers),
            duplicated=ledger.duplicated(numbers),
            refused=events - acknowledged,
            sync=sync,
            load=used["load"] / elapsed * 100,
            subscriber=used["subscriber"] / elapsed * 100,
            busy=sum(used.values()) / (2 * elapsed) * 100,
        )


def _judge(size: str, runs: Mapping[str, Sequence[Figures]]) -> int:
    """Print each bar with what was reached; return how many were missed."""
    missed = 0
    for way in WAYS:
        if way in runs and "boxbridge" in runs:
            print(_beside(way, runs[way], runs["boxbridge"]))
    for bar in BARS[size]:
        if "boxbridge" in runs and ("naive" in runs or not bar.ratio):
            good, line = bar.judge(runs["boxbridge"], runs.get("naive", ()))
            missed += not good
            print(line)
    return missed


def _beside(way: str, runs: Sequence[Figures], kept: Sequence[Figures]) -> str:
    """How quickly boxbridge answers in another way, beside kept connections in the same round."""
    ratios = [one.answered / other.answered for one, other in zip(runs, kept, strict=True)]
    return f"  {f'acked {way}/boxbridge':28}{statistics.median(ratios):8.2f}   ({min(ratios):.2f} to {max(ratios):.2f})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--events", type=int, default=0, help=f"pushes a run (picture {EVENTS['picture']}, small {EVENTS['small']})"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each server runs (5)")
    parser.add_argument("--sizes", nargs="+", choices=list(DRAWINGS), default=list(DRAWINGS))
    parser.add_argument("--connections", type=int, default=16, help="boxes that push at once, each on its own (16)")
    parser.add_argument("--only", choices=list(SERVERS), help="run one server alone")
    parser.add_argument(
        "--ways", action="store_true", help="measure boxbridge over WebSocket and with a connection for each push too"
    )
    parser.add_argument("--sync-delay-ms", type=float, default=0.0, help="each sync takes this much longer")
    parser.add_argument("--folder", help="where the data lies while it runs; its disk is what is measured")
    parser.add_argument("--keep", action="store_true", help="keep configurations, logs and data")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
