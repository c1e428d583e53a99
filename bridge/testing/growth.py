"""Whether an output grows: it delivers in a process of its own, where nothing else lives, and is measured there.

The far side is in the process that asks; here are only the output, its deliveries and what it keeps of them.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from msgspec import Struct, structs

from bridge.config.load import read
from bridge.dispatch.call import Caller, is_plain
from bridge.output import Output
from bridge.plugins import Plugins
from bridge.testing.bridge import environment_as_here
from bridge.testing.deliveries import another, sample_delivery

_PARTS: Final = 3
"""The first is for what fills up once; only what goes on growing in each of the others is a leak."""
_BYTES: Final = 100
"""More than this of each delivery may not be left,"""
_SLACK: Final = 65_536
"""unless it comes to less than this in all: a table that grows by doubling does so once in a while."""
_SPARE: Final = 8
"""So many files, threads or tasks more or fewer mean nothing."""
_WINDOW: Final = 32


class Size(Struct, frozen=True):
    """How large the process is at a moment."""

    memory: int
    files: int
    threads: int
    tasks: int


def growth_of(config: Path, name: str, deliveries: int) -> str:
    """What an output of a configuration goes on taking more of; "" where nothing.

    Raises AssertionError where it does not deliver.
    """
    ended = subprocess.run(
        [sys.executable, "-m", __name__, str(config), name, str(deliveries // _PARTS)],
        capture_output=True,
        env=environment_as_here(),
        timeout=600,
        check=False,
    )
    if ended.returncode != 0:
        raise AssertionError(f"delivering in a process of its own failed:\n{ended.stderr.decode()[-3000:]}")
    sizes = msgspec.json.decode(ended.stdout.splitlines()[-1], type=list[Size])
    return _told(sizes, deliveries // _PARTS)


def _told(sizes: list[Size], deliveries: int) -> str:
    steps = list(itertools.pairwise(map(structs.asdict, sizes)))
    grown = {what: min(later[what] - earlier[what] for earlier, later in steps) for what in Size.__struct_fields__}
    for what in ("files", "threads", "tasks"):
        if grown[what] > _SPARE:
            return f"{grown[what]} {what} of each {deliveries:,} are left behind"
    if grown["memory"] > max(_SLACK, _BYTES * deliveries):
        return f"{grown['memory'] / deliveries:,.0f} bytes of each are left in memory"
    return ""


def _size() -> Size:
    gc.collect()
    return Size(
        memory=tracemalloc.get_traced_memory()[0],
        files=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names are enough
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks()),
    )


async def _measured(output: Output, deliveries: int) -> list[Size]:
    plain = is_plain(output.deliver)
    caller = Caller(output.name, 1 if plain else _WINDOW, lambda _seconds: None)
    await caller.call(output.open, 30, lambda: None, plain=is_plain(output.open))
    sizes, sample = [], sample_delivery(small=True)
    for _ in range(_PARTS):
        left = iter(range(deliveries))

        async def deliver(left: Iterator[int] = left) -> None:
            for _ in left:
                delivery = another(sample)
                await caller.call(lambda: output.deliver(delivery), 30, lambda: None, plain=plain)  # noqa: B023

        await asyncio.gather(*(deliver() for _ in range(1 if plain else _WINDOW)))
        sizes.append(_size())
    await caller.call(output.close, 30, lambda: None, plain=is_plain(output.close))
    caller.close()
    return sizes


def _main(config: Path, name: str, deliveries: int) -> None:
    source = read(config)
    plugins = Plugins().load(source.plugins_dir)
    settings = source.settings(plugins.outputs, [broken.reason for broken in plugins.broken])
    output = plugins.outputs[settings.output[name].type](settings.context(name))
    tracemalloc.start()
    sizes = uvloop.run(_measured(output, deliveries))
    sys.stdout.write(f"\n{msgspec.json.encode(sizes).decode()}\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
