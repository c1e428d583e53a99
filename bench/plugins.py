"""What plugins, watchers and reloads cost: the price of an output, harm that stays home, tap, reload under load.

    python bench/plugins.py                        all four, about 6 minutes
    python bench/plugins.py --only harm

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Final

from bench.push import make_template
from bench.rig import Rig, rig, use_two_cores
from bench.server import Boxbridge
from bridge.testing import draw_dot

PLUGINS: Final = Path(__file__).parent / "drop_in"
PATH_US: Final = 150.0
"""The bars are for a machine on which a small event's whole way, MQTT included, costs so much."""
BARS_US: Final = {"async": 60.0, "plain": 120.0}
_IDLE: Final = {"async": "nothing", "plain": "nothing-plain"}
_BAD: Final = ("raises", "hangs", "leaks", "exits", "blocks")
_RELOAD_EVERY: Final = 1.0
_PARTS: Final = ("cost", "harm", "tap", "reload")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where a bar is missed."""
    options = _options(arguments)
    use_two_cores()
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-plugins-", dir=options.folder))
    measure: Mapping[str, Callable[[Path, argparse.Namespace], int]] = {
        "cost": _cost,
        "harm": _harm,
        "tap": _tap,
        "reload": _reload,
    }
    try:
        return 1 if sum(measure[part](folder, options) for part in options.only) else 0
    finally:
        shutil.rmtree(folder)


# --- What an output costs


def _cost(folder: Path, options: argparse.Namespace) -> int:
    """CPU an event with an output that does nothing, over that without."""
    print(f"\ncost: {options.events} small events as fast as they are answered, beside MQTT")
    servers = {name: _server(name, kind) for name, kind in {"none": "", **_IDLE}.items()}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(options.rounds):
        for name in servers if number % 2 == 0 else reversed(servers):
            with _running(servers[name], folder / f"cost-{number}-{name}", options) as parts:
                before = parts.cpu_seconds()["server"]
                parts.push(parts.numbers)
                costs[name].append((parts.cpu_seconds()["server"] - before) * 1e6 / options.events)
            print(f"  {number + 1} {name:8}{costs[name][-1]:9.1f} us an event", flush=True)
    missed = 0
    whole = statistics.median(costs["none"])
    for name, bar in BARS_US.items():
        over = statistics.median(one - none for one, none in zip(costs[name], costs["none"], strict=True))
        bar_here = bar * whole / PATH_US
        missed += over > bar_here
        print(
            f"  {name:10}{over:8.1f} us over none, {over / whole:5.2f} of the whole way ({whole:.0f} us)"
            f"   bar: at most {bar_here:.0f} us, {bar / PATH_US:.2f}   {_verdict(over <= bar_here)}"
        )
    return missed


def _server(name: str, kind: str) -> Boxbridge:
    table = f'[output.idle]\ntype = "{kind}"\n' if kind else ""
    return Boxbridge(name, tables=table, plugins=PLUGINS)


# --- Harm stays home


def _harm(folder: Path, options: argparse.Namespace) -> int:
    """MQTT's figures beside five outputs that do harm, and without them.

    They are found out by the first pushes, those that prove the way.
    """
    tables = "".join(f'[output.{name}]\ntype = "{name}"\ntimeout = "2s"\n' for name in _BAD)
    servers = [Boxbridge("alone"), Boxbridge("five bad", tables=tables, plugins=PLUGINS)]
    print(f"\nharm: {options.harm_events} small events at {options.rate:g}/s to MQTT; bad: {', '.join(_BAD)}")
    print(f"  {'':24}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'lost':>8}{'dupl.':>8}")
    later: dict[str, list[float]] = {server.name: [] for server in servers}
    lost = 0
    for number in range(options.rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            place = folder / f"harm-{number}-{server.name.replace(' ', '-')}"
            with _running(server, place, options, options.harm_events) as parts:
                parts.push(parts.numbers, rate=options.rate)
                time.sleep(0.5)
                ledger = parts.ledger
                for window, numbers in {"found out": range(parts.numbers.start), "then": parts.numbers}.items():
                    late = sorted((ledger.arrived[n] - ledger.sent[n]) * 1000 for n in numbers if ledger.delivered(n))
                    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
                    print(
                        f"  {number + 1} {server.name:9}{window:13}{p50:10.2f}{p99:10.2f}{late[-1]:10.2f}"
                        f"{ledger.lost(numbers):8}{ledger.duplicated(numbers):8}",
                        flush=True,
                    )
                    lost += ledger.lost(numbers)
                later[server.name].append(p50)
    slower = statistics.median(bad / alone for alone, bad in zip(later["alone"], later["five bad"], strict=True))
    print(f"  p50 when they are found out: {slower:.2f} of that without them")
    return _missed("lost", lost, 0)


# --- A watcher that reads too slowly


def _tap(folder: Path, options: argparse.Namespace) -> int:
    """Events a second with a watcher that hardly reads, beside those without one."""
    print(f"\ntap: {options.events} small events as fast as they are answered; a watcher that reads 1 kB a second")
    rates: dict[str, list[float]] = {"alone": [], "tapped": []}
    for number in range(options.rounds):
        for name in rates if number % 2 == 0 else reversed(rates):
            place = folder / f"tap-{number}-{name}"
            with _running(Boxbridge(name), place, options) as parts:
                watcher = _slow_watcher(place / "data" / "boxbridge.sock") if name == "tapped" else None
                with watcher or contextlib.nullcontext():
                    parts.push(parts.numbers)
                ledger, numbers = parts.ledger, parts.numbers
                elapsed = max(ledger.arrived[n] for n in numbers) - ledger.sent[numbers.start]
                rates[name].append(ledger.arrivals(numbers) / elapsed)
            print(f"  {number + 1} {name:8}{rates[name][-1]:9.0f} events/s", flush=True)
    reached = statistics.median(tapped / alone for alone, tapped in zip(*rates.values(), strict=True))
    print(f"  tapped/alone {reached:.3f}   bar: at least 0.95   {_verdict(reached >= 0.95)}")
    return int(reached < 0.95)


@contextlib.contextmanager
def _slow_watcher(path: Path) -> Iterator[None]:
    over = Event()
    with socket.socket(socket.AF_UNIX) as watcher:
        watcher.connect(str(path))
        watcher.sendall(b"GET /api/v1/tap HTTP/1.1\r\nHost: boxbridge\r\n\r\n")
        watcher.recv(1)

        def read() -> None:
            while not over.wait(1.0):
                watcher.recv(1000)

        reading = Thread(target=read, daemon=True)
        reading.start()
        yield
        over.set()
        reading.join()


# --- Reload under load


def _reload(folder: Path, options: argparse.Namespace) -> int:
    """Reloads every second, each with another change, beside a run without: what is lost, and the longest pause."""
    print(f"\nreload: {options.reload_events} small events at {options.rate:g}/s to MQTT; one a second, by turns of")
    print("  another output that comes, changes and goes, and of MQTT itself")
    print(f"  {'':14}{'reloads':>9}{'p50 ms':>9}{'p99 ms':>9}{'pause ms':>10}{'answer ms':>11}{'lost':>6}{'dupl.':>7}")
    lost = 0
    for number in range(options.rounds):
        for name in ("none", "others", "mqtt too"):
            place = folder / f"reload-{number}-{name.replace(' ', '-')}"
            with _running(Boxbridge(name, plugins=PLUGINS), place, options, options.reload_events) as parts:
                with _reloading(place / "boxbridge.toml", name) as count:
                    parts.push(parts.numbers, rate=options.rate)
                time.sleep(0.5)
                lost += parts.ledger.lost(parts.numbers)
                print(_reload_row(f"{number + 1} {name}", count(), parts), flush=True)
    return _missed("lost", lost, 0)


def _reload_row(name: str, reloads: int, parts: Rig) -> str:
    ledger, numbers = parts.ledger, parts.numbers
    whole = [n for n in numbers if ledger.delivered(n) and ledger.answered[n]]
    late = sorted((ledger.arrived[n] - ledger.sent[n]) * 1000 for n in whole)
    arrivals = sorted(ledger.arrived[n] for n in whole)
    pause = max(after - before for before, after in itertools.pairwise(arrivals)) * 1000
    answer = max(ledger.answered[n] - ledger.sent[n] for n in whole) * 1000
    return (
        f"  {name:14}{reloads:9}{late[len(late) // 2]:9.2f}{late[len(late) * 99 // 100]:9.2f}{pause:10.1f}"
        f"{answer:11.1f}{ledger.lost(numbers):6}{ledger.duplicated(numbers):7}"
    )


@contextlib.contextmanager
def _reloading(config: Path, what: str) -> Iterator[Callable[[], int]]:
    """Change the configuration and reload, again and again; tells how often."""
    text, over = config.read_text(), Event()
    done: list[object] = []
    idle = '[output.idle]\ntype = "nothing"\n'
    changes = {
        "none": (),
        "others": (text + idle, text + idle + "in_flight = 3\n", text),
        "mqtt too": (text + "in_flight = 32\n", text + idle, text),
    }[what]

    def reload() -> None:
        while changes and not over.wait(_RELOAD_EVERY):
            config.write_text(changes[len(done) % len(changes)])
            command = [str(Path(sys.executable).with_name("boxbridge")), "reload", "-c", str(config)]
            done.append(subprocess.run(command, check=True, stdout=subprocess.DEVNULL))

    reloading = Thread(target=reload, daemon=True)
    reloading.start()
    yield lambda: len(done)
    over.set()
    reloading.join()


# --- Parts of a run


@contextlib.contextmanager
def _running(server: Boxbridge, folder: Path, options: argparse.Namespace, events: int = 0) -> Iterator[Rig]:
    folder.mkdir()
    template = make_template(draw_dot())
    events = events or options.events
    with rig(server, folder, template, events=events, boxes=options.connections, environment={}) as parts:
        yield parts
    shutil.rmtree(folder)


def _missed(name: str, value: float, bar: float) -> int:
    print(f"  {name} {value:g}   bar: {bar:g}   {_verdict(value <= bar)}")
    return int(value > bar)


def _verdict(good: bool) -> str:
    return "ok" if good else "MISSED"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS), help="these parts")
    parser.add_argument("--events", type=int, default=10_000, help="pushes of a run at full speed (10000)")
    parser.add_argument("--harm-events", type=int, default=6_000, help="pushes of a run beside bad outputs (6000)")
    parser.add_argument("--reload-events", type=int, default=3_000, help="pushes of a run with reloads (3000)")
    parser.add_argument("--rate", type=float, default=200.0, help="pushes a second beside these (200)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each runs (3)")
    parser.add_argument("--connections", type=int, default=16, help="boxes that push at once (16)")
    parser.add_argument("--folder", help="where the data lies while it runs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
