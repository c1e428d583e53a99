"""Threads for calls that block: as many as wanted, for no longer than wanted, and never in the way of the end."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from bridge import Threads

pytestmark = pytest.mark.anyio


def running(name: str) -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith(name))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another thread brings it about
            await asyncio.sleep(0.001)


async def test_one_thread_is_used_again_as_long_as_one_is_enough() -> None:
    threads = Threads("alone", 3)
    assert {await threads.run(lambda: threading.current_thread().name) for _ in range(20)} == {"alone-1"}
    threads.close()


async def test_they_end_with_the_object() -> None:
    threads = Threads("ending", 2)
    await asyncio.gather(*(threads.run(lambda: time.sleep(0.05)) for _ in range(2)))
    assert running("ending") == ["ending-1", "ending-2"]
    del threads
    gc.collect()
    await until(lambda: not running("ending"))


async def test_a_call_that_is_cancelled_before_it_began_is_not_made() -> None:
    threads, release, made = Threads("cancelled", 1), threading.Event(), []
    first = threads.run(lambda: release.wait(10))
    second = threads.run(lambda: made.append("second"))
    third = threads.run(lambda: made.append("third"))
    second.cancel()
    await asyncio.sleep(0)
    release.set()
    assert await first
    await third
    assert made == ["third"]
    threads.close()


async def test_what_is_raised_comes_through_and_harms_no_thread() -> None:
    threads = Threads("raising", 1)
    for error, raised in ((OSError("disk"), OSError), (SystemExit(1), RuntimeError), (StopIteration(), RuntimeError)):

        def fail(error: BaseException = error) -> None:
            raise error

        with pytest.raises(raised):
            await threads.run(fail)
    assert await threads.run(lambda: "lives") == "lives"
    threads.close()


HANGING = """
import asyncio, threading
from bridge import Threads

async def main():
    threads = Threads("sink", 1)
    threads.run(threading.Event().wait)
    await asyncio.sleep(0.05)

asyncio.run(main())
"""


def test_one_that_hangs_does_not_keep_the_process_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
