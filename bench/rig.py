"""The rig: broker, subscriber and one server under test, ready to be pushed at; all on the same two cores."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from bench.broker import Broker, mosquitto
from bench.ledger import Ledger
from bench.load import push_all
from bench.process import check_alive, cpu_seconds, running
from bench.push import Template
from bench.server import Server
from bench.subscriber import subscribe
from bridge.testing.ports import free_port

_SPAWN = multiprocessing.get_context("spawn")
_WARM_UP_EACH = 4
_POLL = 0.05
_PATIENCE = 15.0
"""Seconds without any arrival after which what is missing counts as lost."""


@dataclass
class Rig:
    """What runs, and the ledger of what it did. `numbers` are the pushes that count."""

    numbers: range
    ledger: Ledger
    template: Template
    boxes: int
    broker: Broker
    server: Popen[bytes]
    server_log: Path
    port: int
    subscriber_pid: int

    def push(self, numbers: range, *, rate: float = 0.0, watch: Callable[[], None] = lambda: None) -> None:
        """Push these numbers and wait until they have arrived; `watch` is called every 50 ms meanwhile.

        Returns too when nothing has arrived for 15 s: the ledger then tells what is missing. Raises RuntimeError
        where the server or the load generator ends.
        """
        load = _SPAWN.Process(
            target=push_all, args=(self.template, self.ledger, numbers, self.port, self.boxes, rate), daemon=True
        )
        load.start()
        waiting = iter(numbers)
        number = next(waiting, None)
        arrivals, deadline = 0, time.monotonic() + _PATIENCE
        while number is not None:
            if self.ledger.delivered(number) or (load.exitcode == 0 and not self.ledger.answered[number]):
                number = next(waiting, None)
                continue
            check_alive(self.server, self.server_log)
            if load.exitcode:
                log = self.server_log.read_text()[-2000:]
                raise RuntimeError(f"the load generator ended with {load.exitcode}; the server's log ends:\n{log}")
            if time.monotonic() > deadline:
                before, arrivals = arrivals, self.ledger.arrivals(numbers)
                if arrivals == before:
                    break
                deadline = time.monotonic() + _PATIENCE
            watch()
            time.sleep(_POLL)
        load.join(_PATIENCE)
        load.terminate()

    def cpu_seconds(self) -> dict[str, float]:
        """Return what each process has used so far; the load generator: in its last pushes."""
        return {
            "server": cpu_seconds(self.server.pid),
            "broker": cpu_seconds(self.broker.pid),
            "subscriber": cpu_seconds(self.subscriber_pid),
            "load": self.ledger.load_cpu.value,
        }


def use_two_cores() -> None:
    """Keep this process and all that it starts on two cores, however many there are."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


@contextmanager
def rig(
    server: Server,
    folder: Path,
    template: Template,
    *,
    events: int,
    boxes: int,
    environment: Mapping[str, str],
) -> Iterator[Rig]:
    """Start all parts in `folder`, subscribe, warm up with a few pushes outside the count, and hand them out."""
    # What was written before is on disk: no run pays for another's write-back.
    os.sync()
    warm_up = range(_WARM_UP_EACH * boxes)
    numbers = range(len(warm_up), len(warm_up) + events)
    ledger = Ledger(_SPAWN, numbers.stop)
    port = free_port()
    log = folder / "server.log"
    with mosquitto(folder) as broker:
        subscriber = _SPAWN.Process(target=subscribe, args=(template, ledger, broker.port), daemon=True)
        subscriber.start()
        try:
            _wait_for_subscription(ledger, subscriber.is_alive)
            assert subscriber.pid
            with running(server.command(folder, port, broker.port), port, log, environment) as process:
                parts = Rig(numbers, ledger, template, boxes, broker, process, log, port, subscriber.pid)
                parts.push(warm_up)
                if ledger.arrivals(warm_up) < len(warm_up):
                    raise RuntimeError(f"{server.name} delivers nothing:\n{log.read_text()[-2000:]}")
                yield parts
        finally:
            subscriber.terminate()
            subscriber.join()


def _wait_for_subscription(ledger: Ledger, alive: Callable[[], bool]) -> None:
    while not ledger.subscribed.value:
        if not alive():
            raise RuntimeError("the subscriber ended before it had subscribed")
        time.sleep(0.01)
