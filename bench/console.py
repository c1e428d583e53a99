"""What open pages cost: the live page in ten browsers at 50 pushes a second, and a page of a very long journal.

    python bench/console.py                     both, about 4 minutes
    python bench/console.py --only live --rounds 1

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import httpx2

from bench.process import resident_mb, running
from bench.push import make_template
from bench.rig import rig, use_two_cores
from bench.server import Boxbridge
from bench.throughput import DRAWINGS
from bench.waiting import prepare, rebuild
from bridge.testing.ports import free_port

_SPAWN = multiprocessing.get_context("spawn")
_BOXES = 16
_LOOKS = 20
_SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Row:
    """What one run showed."""

    rate: float
    """Events a second, from the first push to the last event at the broker."""
    cpu: float
    """The server's CPU in milliseconds an event."""
    peak: float
    """Its highest resident memory in MB."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where a bar is missed."""
    options = _options(arguments)
    use_two_cores()
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-console-", dir=options.folder))
    try:
        missed = _measure_live(folder, options) if "live" in options.only else 0
        missed += _measure_first_page(folder, options) if "page" in options.only else 0
    finally:
        shutil.rmtree(folder)
    return 1 if missed else 0


# --- Live pages


def _measure_live(folder: Path, options: argparse.Namespace) -> int:
    print(f"{options.events} pushes with pictures at {options.rate:g} a second, {options.pages} live pages or none")
    print(f"{'':14}{'events/s':>10}{'CPU ms':>10}{'peak MB':>10}", flush=True)
    rows: dict[int, list[Row]] = {0: [], options.pages: []}
    for number in range(options.rounds):
        for pages in rows if number % 2 == 0 else reversed(rows):
            place = folder / f"live-{number}-{pages}"
            place.mkdir()
            rows[pages].append(_live(place, pages, options))
            figures = "".join(f"{figure:10.2f}" for figure in astuple(rows[pages][-1]))
            print(f"{number + 1} {pages:>3} pages   {figures}", flush=True)
            shutil.rmtree(place)
    none, some = (Row(*map(statistics.median, zip(*map(astuple, rows[pages]), strict=True))) for pages in rows)
    return _judge("end to end, with pages/none", some.rate / none.rate, 0.95, least=True) + _judge(
        "memory beyond that of none, MB", some.peak - none.peak, 30
    )


def _live(folder: Path, pages: int, options: argparse.Namespace) -> Row:
    port = free_port()
    template = make_template(DRAWINGS["picture"]())
    with (
        rig(
            Boxbridge(control_port=port), folder, template, events=options.events, boxes=_BOXES, environment={}
        ) as parts,
        _open(port, pages),
    ):
        before = parts.cpu_seconds()["server"]
        parts.push(parts.numbers, rate=options.rate)
        used = parts.cpu_seconds()["server"] - before
        ledger, numbers = parts.ledger, parts.numbers
        elapsed = max(ledger.arrived[n] for n in numbers) - ledger.sent[numbers.start]
        if ledger.lost(numbers):
            raise RuntimeError(f"{ledger.lost(numbers)} events were lost")
        peak = resident_mb(parts.server.pid, peak=True)
        return Row(ledger.arrivals(numbers) / elapsed, used * 1000 / options.events, peak)


@contextlib.contextmanager
def _open(port: int, pages: int) -> Iterator[None]:
    """Live pages in a process of their own, as browsers have them."""
    process = _SPAWN.Process(target=_browse, args=(port, pages), daemon=True)
    process.start()
    try:
        yield
        if process.exitcode:
            raise RuntimeError(f"the pages ended with {process.exitcode}")
    finally:
        process.terminate()
        process.join()


def _browse(port: int, pages: int) -> None:
    async def all_pages() -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            await asyncio.gather(*(_page(client) for _ in range(pages)))

    asyncio.run(all_pages())


async def _page(client: httpx2.AsyncClient) -> None:
    """What a browser asks for: the page, its pictures, and the stream with the pictures of what comes."""
    page = (await client.get("/")).text
    await _pictures(client, page)
    async with client.stream("GET", "/live/stream?newest=none") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                await _pictures(client, json.loads(line[6:]).get("cards", ""))


async def _pictures(client: httpx2.AsyncClient, text: str) -> None:
    for path in re.findall(r'<img src="([^"]+)"', text):
        (await client.get(path)).raise_for_status()


# --- The first page of a long journal


def _measure_first_page(folder: Path, options: argparse.Namespace) -> int:
    place = folder / "page"
    events = prepare(place, events=options.journal)
    rebuild(place, {})  # what a start would do first, as it does not know these events
    at_once = [_looks(place, 0).first for _ in range(options.rounds)]
    settled = [_looks(place, _SETTLE_SECONDS) for _ in range(options.rounds)]
    loaded = statistics.median(looks.memory for looks in settled) - _memory_without_pages(place)
    print(f"\nthe live page with {events:,} events, medians of {options.rounds} starts")
    print(f"first page, asked at once: {statistics.median(at_once) * 1000:.0f} ms; "
          f"pages that nobody asks for: {loaded:.1f} MB", flush=True)  # fmt: skip
    first = statistics.median(looks.first for looks in settled) * 1000
    later = statistics.median(look for looks in settled for look in looks.later) * 1000
    return _judge(f"first page, {_SETTLE_SECONDS:g} s after the start, ms", first, 100) + _judge(
        "every further one, ms", later, 100
    )


@dataclass(frozen=True)
class Looks:
    """How long the page of one start took, in seconds, and the memory in MB before anybody asked for it."""

    first: float
    later: list[float]
    memory: float


def _looks(place: Path, wait: float) -> Looks:
    port, control = free_port(), free_port()
    server = Boxbridge(output="", control_port=control)
    with running(server.command(place, port, 0), control, place / "server.log") as process:
        time.sleep(wait)
        memory = resident_mb(process.pid)
        first, *later = [_look(control) for _ in range(1 + _LOOKS)]
        return Looks(first, later, memory)


def _memory_without_pages(place: Path) -> float:
    port = free_port()
    with running(Boxbridge(output="").command(place, port, 0), port, place / "server.log") as process:
        time.sleep(_SETTLE_SECONDS)
        return resident_mb(process.pid)


def _look(port: int) -> float:
    """Seconds from the connection to the page's last byte."""
    began = time.perf_counter()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        if answer.status != 200 or b'class="card"' not in answer.read():
            raise RuntimeError(f"the live page was answered with {answer.status}")
    return time.perf_counter() - began


def _judge(what: str, reached: float, bar: float, *, least: bool = False) -> int:
    """Print a bar with what was reached; return 1 where it was missed."""
    good = reached >= bar if least else reached <= bar
    print(f"{'ok    ' if good else 'MISSED'} {what}: {reached:.2f} ({'at least' if least else 'at most'} {bar:g})")
    return not good


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["live", "page"], default=["live", "page"])
    parser.add_argument("--events", type=int, default=1000, help="pushes a run (1000)")
    parser.add_argument("--rate", type=float, default=50, help="pushes a second (50)")
    parser.add_argument("--pages", type=int, default=10, help="live pages that are open (10)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each runs (3)")
    parser.add_argument("--journal", type=int, default=1_000_000, help="events of the long journal (1000000)")
    parser.add_argument("--folder", help="where the data lies while it runs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
