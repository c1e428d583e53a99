"""Boxes that push at their pace beside connections that never get anywhere: are they still heard, and how quickly?

    python bench/stuck.py                                200 boxes, a push each 3 s, a minute, 1,500 stuck connections
    python bench/stuck.py --seconds 600 --sizes picture

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from bench.process import resident_mb
from bench.push import Way, make_template
from bench.rig import Rig, rig, use_two_cores
from bench.server import Boxbridge, Naive, Server
from bench.throughput import DRAWINGS

_SPAWN = multiprocessing.get_context("spawn")
_HEAD: Final = b"POST /dataPush/DataReportCB HTTP/1.1\r\nHost: box\r\n"
_KINDS: Final = (
    b"",
    b"POST /dataPush/DataReportCB HT",
    _HEAD + b"X-Half: ",
    _HEAD + b'Content-Length: 400000\r\n\r\n{"wsKey": "eventCreate',
)
"""How far each kind of stuck connection gets: nothing, half a request line, half a header, the beginning of a body."""
_SLOWER_BAR: Final = 2.0
_MEMORY_BAR: Final = 150.0
_COLUMNS: Final = ("answered", "unanswered", "p50 ms", "p99 ms", "max ms", "peak MB", "still stuck")


@dataclass(frozen=True)
class Figures:
    """What one run showed."""

    answered: int
    unanswered: int
    latencies: list[float]
    """Milliseconds from push to answer, sorted."""
    peak: float
    stuck: int
    """Stuck connections that were still open at the end."""

    @property
    def p99(self) -> float:
        """One in a hundred was slower."""
        return self.latencies[len(self.latencies) * 99 // 100]

    def row(self, name: str) -> str:
        """One line of the table."""
        speed = (f"{value:.2f}" for value in (statistics.median(self.latencies), self.p99, self.latencies[-1]))
        cells = (str(self.answered), str(self.unanswered), *speed, f"{self.peak:.0f}", str(self.stuck))
        return f"  {name:28}" + "".join(f"{cell:>13}" for cell in cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where a bar is missed."""
    options = _options(arguments)
    use_two_cores()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-stuck-", dir=options.folder))
    missed = 0
    try:
        for size in options.sizes:
            print(f"\n{size}: {options.boxes} boxes, a push each {options.each:g} s, {options.seconds:g} s")
            print(f"  {'':28}" + "".join(f"{name:>13}" for name in _COLUMNS), flush=True)
            missed += _compare(
                _run(Boxbridge(), folder / f"{size}-alone", size, 0, options),
                _run(Boxbridge(), folder / f"{size}-beside", size, options.stuck, options),
            )
            if options.way == "http":
                _run(Naive(), folder / f"{size}-naive", size, options.stuck, options)
    finally:
        shutil.rmtree(folder)
    return 1 if missed else 0


def _run(server: Server, folder: Path, size: str, stuck: int, options: argparse.Namespace) -> Figures:
    folder.mkdir()
    pushes = int(options.boxes / options.each * options.seconds)
    template = make_template(DRAWINGS[size](), options.way)
    with (
        rig(server, folder, template, events=pushes, boxes=options.boxes, environment={}) as parts,
        _stuck(parts, stuck) as still_open,
    ):
        parts.push(parts.numbers, rate=options.boxes / options.each)
        figures = _figures(parts, still_open())
    print(figures.row(f"{server.name} beside {stuck} stuck"), flush=True)
    return figures


def _figures(parts: Rig, stuck: int) -> Figures:
    ledger = parts.ledger
    answered = [number for number in parts.numbers if ledger.answered[number]]
    return Figures(
        answered=len(answered),
        unanswered=len(parts.numbers) - len(answered),
        latencies=sorted((ledger.answered[number] - ledger.sent[number]) * 1000 for number in answered),
        peak=resident_mb(parts.server.pid, peak=True),
        stuck=stuck,
    )


def _compare(alone: Figures, beside: Figures) -> int:
    bars = (
        ("p99 beside stuck ones, of that alone", beside.p99 / alone.p99, _SLOWER_BAR),
        ("peak MB", beside.peak, _MEMORY_BAR),
        ("unanswered", float(beside.unanswered), 0.0),
    )
    for name, reached, bar in bars:
        print(f"    {name:40}{reached:8.2f}   bar: at most {bar:g}   {'ok' if reached <= bar else 'MISSED'}")
    return sum(reached > bar for _, reached, bar in bars)


@contextmanager
def _stuck(parts: Rig, count: int) -> Iterator[Callable[[], int]]:
    """So many stuck connections, in a process of their own; yields what tells how many are open."""
    still_open = _SPAWN.RawValue("i")
    process = _SPAWN.Process(target=_be_stuck, args=(parts.port, count, still_open), daemon=True)
    if count:
        process.start()
    try:
        yield lambda: still_open.value
    finally:
        if count:
            process.terminate()
            process.join()


def _be_stuck(port: int, count: int, still_open: Any) -> None:
    """The main function of that process."""
    asyncio.run(_all_stuck(port, count, still_open))


async def _all_stuck(port: int, count: int, still_open: Any) -> None:
    await asyncio.gather(*(_one_stuck(port, _KINDS[number % len(_KINDS)], still_open) for number in range(count)))


async def _one_stuck(port: int, text: bytes, still_open: Any) -> None:
    """Connect, get as far as this kind gets, and stay; where the server ends it, come again."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(text)
            still_open.value += 1
            with contextlib.suppress(OSError):
                await reader.read()
            still_open.value -= 1
            writer.close()
        await asyncio.sleep(1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=200, help="boxes that push (200)")
    parser.add_argument("--each", type=float, default=3.0, help="seconds between two pushes of a box (3)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long a run lasts (60)")
    parser.add_argument("--stuck", type=int, default=1_500, help="connections that never get anywhere (1500)")
    parser.add_argument("--sizes", nargs="+", choices=sorted(DRAWINGS), default=["small"], help="small, picture")
    parser.add_argument("--way", choices=get_args(Way), default="http", help="how the boxes push (http)")
    parser.add_argument("--folder", help="where the data lies while it runs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
