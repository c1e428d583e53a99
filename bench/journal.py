"""The journal beside the disk it lies on: pushes to their answers, much that waits, starts with much that is there.

    python bench/journal.py                          appending, and 20,000 waiting
    python bench/journal.py --sync-delay-ms 8        as on a slow card
    python bench/journal.py --only waiting --waiting 1000000
    python bench/journal.py --only big --gigabytes 20

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import waiting
from bench.appending import Appended, append
from bench.disk import slow_card
from bench.push import make_template
from bench.rig import use_two_cores
from bench.throughput import DRAWINGS

PARTS = ("append", "waiting", "big")
EVENTS = {("picture", 16): 4_000, ("picture", 1): 1_500, ("small", 16): 40_000, ("small", 1): 5_000}
"""Pushes a run, by size and boxes."""
_COST_EVENTS = 10_000
_DISK_LIMITS = 0.7
"""The disk is the limit where its rate is below this share of what the server's CPU time alone would allow."""


class Bars:
    """Limits that are judged as the figures come."""

    def __init__(self) -> None:
        self.missed = 0

    def at_most(self, name: str, reached: float, limit: float) -> None:
        """Judge a figure that should be small."""
        self._judge(name, reached, limit, "most", reached <= limit)

    def at_least(self, name: str, reached: float, limit: float) -> None:
        """Judge a figure that should be large."""
        self._judge(name, reached, limit, "least", reached >= limit)

    def _judge(self, name: str, reached: float, limit: float, word: str, good: bool) -> None:
        self.missed += not good
        verdict = "ok" if good else "MISSED"
        print(f"    {name:52}{reached:10.2f}   bar: at {word} {limit:g}   {verdict}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where a bar is missed."""
    options = _options(arguments)
    use_two_cores()
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-bench-", dir=options.folder))
    bars = Bars()
    try:
        environment = slow_card(folder, options.sync_delay_ms)
        print(f"data in {folder}, each sync takes {options.sync_delay_ms:g} ms longer")
        if "append" in options.only:
            _append(folder, environment, options, bars)
        if "waiting" in options.only:
            _waiting(folder, environment, options.waiting, bars)
        if "big" in options.only and options.gigabytes:
            _big(folder, environment, options.gigabytes, bars)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    print(f"{bars.missed} bars missed")
    return 1 if bars.missed else 0


# --- Appending


def _append(folder: Path, environment: Mapping[str, str], options: argparse.Namespace, bars: Bars) -> None:
    print(f"\n{'appending':22}" + "".join(f"{title:>12}" for title in (
        "disk/s", "sync ms", "events/s", "of disk %", "p50 ms", "p99 ms", "CPU ms", "busy %", "log B", "index B",
        "stored %", "peak MB", "refused")), flush=True)  # fmt: skip
    for (size, boxes), events in EVENTS.items():
        template = make_template(DRAWINGS[size]())
        place = folder / f"{size}-{boxes}"
        place.mkdir()
        disk = _disk(place, environment)
        name = size if boxes > 1 else f"{size}_alone"
        run = append(place, template, max(100, int(events * options.scale)), boxes, environment)
        _row(f"  {size}, {boxes} boxes", run, disk, name, len(template.body))
        _judge(run, disk, name, len(template.body), options.sync_delay_ms, bars)
        shutil.rmtree(place)


def _row(title: str, run: Appended, disk: dict[str, Any], name: str, request: int) -> None:
    cells = (
        f"{disk['rates'][name]:.0f}", f"{disk[name]['sync_ms']:.2f}", f"{run.rate:.0f}",
        f"{run.rate / disk['rates'][name] * 100:.0f}", f"{run.latency(0.5):.2f}", f"{run.latency(0.99):.2f}",
        f"{run.cpu:.3f}", f"{run.rate * run.cpu / 10:.0f}", f"{run.log_bytes:.0f}", f"{run.other_bytes:.0f}",
        f"{run.log_bytes / request * 100:.0f}", f"{run.peak:.0f}", f"{run.refused}",
    )  # fmt: skip
    print(f"{title:22}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def _judge(run: Appended, disk: dict[str, Any], name: str, request: int, delay: float, bars: Bars) -> None:
    if name.startswith("picture"):
        bars.at_most("stored bytes of a push, of its request's", run.log_bytes / request, 0.80)
        if disk["rates"][name] < _DISK_LIMITS * 1000 / run.cpu:
            bars.at_least("of the disk's synchronous rate", run.rate / disk["rates"][name], 0.85)
    if name == "picture" and delay == 8:
        bars.at_least("pictures a second from 16 boxes", run.rate, 500)
    if name.endswith("_alone") and delay:
        bars.at_most("answer p50, in syncs", run.latency(0.5) / disk[name]["sync_ms"], 1.6)


def _disk(folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """What `boxbridge doctor disk` finds, in the same environment."""
    command = [str(Path(sys.executable).with_name("boxbridge")), "doctor", "disk", "--json", "--seconds", "1"]
    ended = subprocess.run([*command, "--folder", str(folder)], check=True, capture_output=True,
                           env=os.environ | dict(environment))  # fmt: skip
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


# --- What waits, and what is there


def _waiting(folder: Path, environment: Mapping[str, str], most: int, bars: Bars) -> None:
    counts = [0, *(count for count in (10_000, 100_000, 1_000_000) if count < most), most]
    print(f"\nwaiting: whole-path cost of a small event, {_COST_EVENTS} from 16 boxes to MQTT, another output away")
    costs: dict[int, float] = {}
    for count in counts:
        place = folder / f"waiting-{count}"
        held = waiting.prepare(place, events=count)
        rebuilt = waiting.rebuild(place, environment)
        size = sum(path.stat().st_size for path in (place / "data" / "journal").iterdir()) / 1e6
        print(f"  {held - 1} waiting, {size:.0f} MB: index made again in {rebuilt:.2f} s", flush=True)
        if count == most:
            bars.at_most("index made again, s", rebuilt, 20 * max(most, 50_000) / 1_000_000)
            begun = waiting.start(place, environment)
            print(f"  start with {held - 1} waiting: first answer {begun.answer:.2f} s, first delivery "
                  f"{begun.delivery:.2f} s, peak {begun.peak:.0f} MB", flush=True)  # fmt: skip
            bars.at_most("first answer, s", begun.answer, 3)
            bars.at_most("first delivery, s", begun.delivery, 3)
            bars.at_most("peak MB, delivering what waits", begun.peak, 100)
        costs[count], peak = waiting.cost(place, _COST_EVENTS, 16, environment)
        print(f"  {held - 1} waiting: {costs[count]:.3f} ms CPU an event, peak {peak:.0f} MB", flush=True)
        bars.at_most("peak MB", peak, 100)
        bars.at_most("cost an event, of that with nothing waiting", costs[count] / costs[0], 1.15)
        shutil.rmtree(place)


def _big(folder: Path, environment: Mapping[str, str], gigabytes: float, bars: Bars) -> None:
    place = folder / "big"
    held = waiting.prepare(place, gigabytes=gigabytes, scene=True)
    rebuilt = waiting.rebuild(place, environment)
    print(f"\nbig: {gigabytes:g} GB, {held} pushes with pictures, index made again in {rebuilt:.2f} s", flush=True)
    segment = waiting.read_time(sorted((place / "data" / "journal").glob("*.seg"))[1])
    begun = waiting.start_after_kill(place, environment)
    reads = f"the disk reads a segment in {segment:.2f} s"
    print(f"  start after kill -9: first answer {begun.answer:.2f} s, peak {begun.peak:.0f} MB; {reads}", flush=True)
    bars.at_most("first answer beyond reading a segment, s", begun.answer - segment, 1.0)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="of the pushes of each run (1)")
    parser.add_argument("--waiting", type=int, default=20_000, help="how many events wait at most (20000)")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the journal that is started after a kill")
    parser.add_argument("--sync-delay-ms", type=float, default=0.0, help="each sync takes this much longer")
    parser.add_argument("--folder", help="where the data lies while it runs; its disk is what is measured")
    parser.add_argument("--keep", action="store_true", help="keep configurations, logs and data")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
