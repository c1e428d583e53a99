"""What each output carries, alone and beside the others; and a hundred webhooks of which one is a black hole.

    python bench/outputs.py                     everything, three rounds
    python bench/outputs.py --only alone --sizes small --rounds 1

bench/README.md tells what each figure means.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import Popen

from bench.broker import mosquitto
from bench.disk import slow_card
from bench.ledger import Ledger
from bench.load import push_all
from bench.process import check_alive, cpu_seconds, resident_mb, running
from bench.push import Template, make_template
from bench.receivers import archived, read_archive, serve_hooks
from bench.rig import use_two_cores
from bench.server import Naive
from bench.subscriber import subscribe
from bench.throughput import DRAWINGS
from bridge.testing import draw_dot
from bridge.testing.ports import free_port

SETS = {
    "naive": ("mqtt",),
    "mqtt": ("mqtt",),
    "archive": ("archive",),
    "webhook": ("webhook",),
    "all three": ("mqtt", "archive", "webhook"),
}
"""What is measured, and the outputs that it has; naive is the plain script."""
EVENTS = {"picture": 2_000, "small": 10_000}
HOOKS = 100

_SPAWN = multiprocessing.get_context("spawn")
_WARM_UP_EACH = 4
_PATIENCE = 20.0
_HEAD = 'site = "bench"\ndata = "{data}"\n[server]\nlisten = "127.0.0.1:{port}"\n[control]\nlisten = ""\n'
_HOOK = '[output.{name}]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"\npicture = "{picture}"\n'


@dataclass(frozen=True)
class Row:
    """What one run showed."""

    answered: float
    """Pushes answered with success a second."""
    carried: float
    """Events a second, from the first push to the last event at the last of the outputs: the rate that lasts."""
    cpu: float
    """The server's CPU in milliseconds an event."""
    peak: float
    lost: float
    duplicated: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where a bar is missed."""
    options = _options(arguments)
    use_two_cores()
    folder = Path(tempfile.mkdtemp(prefix="boxbridge-outputs-", dir=options.folder))
    try:
        environment = slow_card(folder, options.sync_delay_ms)
        missed = 0
        if "alone" in options.only:
            missed += sum(_measure(size, folder, environment, options) for size in options.sizes)
        if "hooks" in options.only:
            missed += _measure_hooks(folder, options)
    finally:
        shutil.rmtree(folder)
    return 1 if missed else 0


# --- Each output alone, and all together


def _measure(size: str, folder: Path, environment: Mapping[str, str], options: argparse.Namespace) -> int:
    template = make_template(DRAWINGS[size]())
    events = options.events or EVENTS[size]
    print(f"\n{size}: {events} pushes of {len(template.body) / 1000:.1f} KB, {options.connections} boxes")
    print(
        f"  {'':18}"
        + "".join(f"{title:>12}" for title in ("acked/s", "carried/s", "CPU ms", "peak MB", "lost", "dupl."))
    )
    runs: dict[str, list[Row]] = {name: [] for name in SETS}
    for number in range(options.rounds):
        for name in list(SETS) if number % 2 == 0 else reversed(SETS):
            place = folder / f"{size}-{number}-{name.replace(' ', '-')}"
            place.mkdir()
            runs[name].append(_run(name, place, template, events, environment, options.connections))
            print(_line(f"{number + 1} {name}", runs[name][-1]), flush=True)
            shutil.rmtree(place)
    for name, rows in runs.items():
        print(
            _line(
                f"median {name}", Row(*(statistics.median(column) for column in zip(*map(astuple, rows), strict=True)))
            )
        )
    return _judge(size, runs)


def _run(name: str, folder: Path, template: Template, events: int, environment: Mapping[str, str], boxes: int) -> Row:
    os.sync()  # what was written before is on disk: no run pays for another's write-back
    warm_up = range(_WARM_UP_EACH * boxes)
    numbers = range(len(warm_up), len(warm_up) + events)
    ledgers = {output: Ledger(_SPAWN, numbers.stop) for output in SETS[name]}
    load = next(iter(ledgers.values()))
    archive = folder / "data" / "archive"
    port, hook, log = free_port(), free_port(), folder / "server.log"
    with contextlib.ExitStack() as started:
        broker = started.enter_context(mosquitto(folder)) if "mqtt" in ledgers else None
        receivers: dict[str, tuple[object, ...]] = {
            "mqtt": (subscribe, template, ledgers.get("mqtt"), broker.port if broker else 0),
            "webhook": (serve_hooks, template, [ledgers.get("webhook")], [hook]),
            "archive": (read_archive, ledgers.get("archive"), archive),
        }
        for output, ledger in ledgers.items():
            started.enter_context(_process(*receivers[output]))
            _wait_for(ledger)
        command = _command(name, folder, port, broker.port if broker else 0, hook)
        server = started.enter_context(running(command, port, log, environment))
        run = Pushing(template, ledgers, port, server, log)
        _push(run, warm_up, boxes)
        before = cpu_seconds(server.pid)
        _push(run, numbers, boxes)
        time.sleep(0.5)  # late duplicates
        used = cpu_seconds(server.pid) - before
        start = load.sent[numbers.start]
        last = max(ledger.arrived[n] for ledger in ledgers.values() for n in numbers)
        lost = sum(load.answered[n] > 0 and not ledger.delivered(n) for ledger in ledgers.values() for n in numbers)
        if "archive" in ledgers:
            lost += len(set(numbers) - set(archived(template, archive)))
        return Row(
            answered=load.acknowledged(numbers) / (max(load.answered[n] for n in numbers) - start),
            carried=events / (last - start),
            cpu=used * 1000 / events,
            peak=resident_mb(server.pid, peak=True),
            lost=lost,
            duplicated=sum(ledger.duplicated(numbers) for ledger in ledgers.values()),
        )


def _command(name: str, folder: Path, port: int, broker_port: int, hook: int) -> list[str]:
    if name == "naive":
        return Naive().command(folder, port, broker_port)
    tables = {
        "mqtt": f'[output.mqtt]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{broker_port}"\n',
        "archive": '[output.archive]\ntype = "archive"\n',
        "webhook": _HOOK.format(name="webhook", port=hook, picture="multipart"),
    }
    return _boxbridge(folder, port, "".join(tables[output] for output in SETS[name]))


def _boxbridge(folder: Path, port: int, outputs: str) -> list[str]:
    configuration = folder / "boxbridge.toml"
    configuration.write_text(_HEAD.format(data=folder / "data", port=port) + outputs)
    return [str(Path(sys.executable).with_name("boxbridge")), "run", "-c", str(configuration)]


def _judge(size: str, runs: Mapping[str, Sequence[Row]]) -> int:
    """Print the rates beside the naive script's and MQTT's, with the bars; return how many were missed."""
    missed = 0
    carried = {name: statistics.median(row.carried for row in rows) for name, rows in runs.items()}
    for name in ("mqtt", "archive", "webhook", "all three"):
        beside = carried[name] / carried["mqtt"]
        bar = 300 / 800 if size == "picture" and name in ("archive", "webhook") else 0
        missed += beside < bar
        verdict = f"   bar: at least {bar:g} of mqtt   {'ok' if beside >= bar else 'MISSED'}" if bar else ""
        print(f"  {name:18}{carried[name] / carried['naive']:8.2f} of naive {beside:8.2f} of mqtt{verdict}")
    lost = sum(row.lost for name, rows in runs.items() if name != "naive" for row in rows)
    return missed + _missed("lost", lost, "", 0)


# --- A hundred webhooks


def _measure_hooks(folder: Path, options: argparse.Namespace) -> int:
    """The latency of the others while one of a hundred is a black hole; memory beside that of one."""
    rate, events = options.hooks_rate, options.hooks_events
    print(f"\n{HOOKS} webhooks with a target each: {events} small events at {rate:g}/s; one webhook alone beside them")
    print(f"  {'':18}" + "".join(f"{title:>12}" for title in ("p50 ms", "p99 ms", "lost", "RSS MB")))
    found: dict[str, list[tuple[float, float, float, float]]] = {"one": [], "all alive": [], "one black": []}
    with _black_hole() as black:
        for number in range(options.rounds):
            for name in list(found) if number % 2 == 0 else reversed(found):
                place = folder / f"hooks-{number}-{name.replace(' ', '-')}"
                place.mkdir()
                count, dead = (1 if name == "one" else HOOKS), (black if name == "one black" else 0)
                found[name].append(_run_hooks(place, count, dead, rate, events))
                p50, p99, lost, resident = found[name][-1]
                print(f"  {number + 1} {name:16}{p50:12.2f}{p99:12.2f}{lost:12.0f}{resident:12.1f}", flush=True)
                shutil.rmtree(place)
    slower = statistics.median(b[1] / a[1] for a, b in zip(found["all alive"], found["one black"], strict=True))
    larger = statistics.median(b[3] - a[3] for a, b in zip(found["one"], found["one black"], strict=True))
    lost = sum(run[2] for runs in found.values() for run in runs)
    return sum(
        [
            _missed("p99 of the others", slower, "of that with all alive", 1.2),
            _missed("memory beyond one", larger, "MB", 20),
            _missed("lost", lost, "", 0),
        ]
    )


def _missed(name: str, value: float, unit: str, bar: float) -> bool:
    """Print a figure and its bar; whether it was missed."""
    good = value <= bar
    print(f"  {name:18}{value:8.2f} {unit:24}bar: at most {bar:g}   {'ok' if good else 'MISSED'}")
    return not good


def _run_hooks(folder: Path, count: int, black: int, rate: float, events: int) -> tuple[float, float, float, float]:
    """p50 and p99 in milliseconds from the answer to the box to the post, what never came, and resident memory."""
    os.sync()
    template = make_template(draw_dot())
    warm_up, numbers = range(5), range(5, 5 + events)
    alive = count - (1 if black else 0)
    ledgers = {f"hook{n}": Ledger(_SPAWN, numbers.stop) for n in range(alive)}
    load, port, log = ledgers["hook0"], free_port(), folder / "server.log"
    with contextlib.ExitStack() as started:
        ports = [started.enter_context(_reserved()) for _ in range(alive)]
        targets = [*ports, *([black] if black else [])]
        tables = [_HOOK.format(name=f"hook{n}", port=target, picture="none") for n, target in enumerate(targets)]
        started.enter_context(_process(serve_hooks, None, list(ledgers.values()), ports))
        for ledger in ledgers.values():
            _wait_for(ledger)
        server = started.enter_context(running(_boxbridge(folder, port, "".join(tables)), port, log))
        run = Pushing(template, ledgers, port, server, log)
        _push(run, warm_up, 1)
        _push(run, numbers, 4, rate)
        late = sorted(
            (ledger.arrived[n] - load.answered[n]) * 1000
            for ledger in ledgers.values()
            for n in numbers
            if ledger.delivered(n)
        )
        lost = len(numbers) * alive - len(late)
        return late[len(late) // 2], late[len(late) * 99 // 100], lost, resident_mb(server.pid)


@contextlib.contextmanager
def _reserved() -> Iterator[int]:
    """A port that nobody else is given meanwhile; who serves on it must reuse the address."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def _black_hole() -> Iterator[int]:
    """A port whose connections are never made: its queue is full, so that the kernel drops what asks for one."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(16):
            filling = sockets.enter_context(socket.socket())
            filling.settimeout(0.2)
            try:
                filling.connect(address)
            except TimeoutError:
                break
        yield address[1]


# --- Parts of a run


@contextlib.contextmanager
def _process(function: object, *arguments: object) -> Iterator[BaseProcess]:
    process = _SPAWN.Process(target=function, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join()


def _wait_for(ledger: Ledger) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ledger.subscribed.value:
        if time.monotonic() > deadline:
            raise RuntimeError("a receiver does not begin")
        time.sleep(0.01)


@dataclass(frozen=True)
class Pushing:
    """Who pushes to whom, and where all of it has to arrive."""

    template: Template
    ledgers: Mapping[str, Ledger]
    port: int
    server: Popen[bytes]
    log: Path

    @property
    def load(self) -> Ledger:
        """Where sending and answers are noted."""
        return next(iter(self.ledgers.values()))


def _push(run: Pushing, numbers: range, boxes: int, rate: float = 0.0) -> None:
    """Push these and wait until all have arrived everywhere, or nothing has for a while."""
    with _process(push_all, run.template, run.load, numbers, run.port, boxes, rate) as pushing:
        waiting = [(ledger, number) for number in numbers for ledger in run.ledgers.values()]
        waiting.reverse()
        deadline = time.monotonic() + _PATIENCE
        while waiting and time.monotonic() < deadline:
            ledger, number = waiting[-1]
            if ledger.delivered(number):
                waiting.pop()
                deadline = time.monotonic() + _PATIENCE
                continue
            check_alive(run.server, run.log)
            if pushing.exitcode:
                text = run.log.read_text()[-2000:]
                raise RuntimeError(f"the load generator ended with {pushing.exitcode}:\n{text}")
            time.sleep(0.02)
        pushing.join(_PATIENCE)


def _line(name: str, row: Row) -> str:
    forms = (".0f", ".0f", ".3f", ".0f", ".0f", ".0f")
    return f"  {name:18}" + "".join(
        f"{format(value, form):>12}" for value, form in zip(astuple(row), forms, strict=True)
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["alone", "hooks"], default=["alone", "hooks"], help="these parts")
    parser.add_argument("--events", type=int, default=0, help="pushes a run (picture 2000, small 10000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each runs (3)")
    parser.add_argument("--sizes", nargs="+", choices=list(DRAWINGS), default=list(DRAWINGS))
    parser.add_argument("--connections", type=int, default=16, help="boxes that push at once (16)")
    parser.add_argument("--hooks-rate", type=float, default=4.0, help="events a second to the hundred webhooks (4)")
    parser.add_argument("--hooks-events", type=int, default=100, help="events of such a run (100)")
    parser.add_argument("--sync-delay-ms", type=float, default=0.0, help="each sync takes this much longer")
    parser.add_argument("--folder", help="where the data lies while it runs; its disk is what is measured")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
