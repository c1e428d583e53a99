"""A process to kill: it stores pushes, delivers them, and says on its output what is certain, as soon as it is.

`stored ID` after an answer, `settled SEQUENCE` before a delivery is noted as done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bridge.journal.journal import Cursor, Journal
from tests.journal.journals import TINY, running, store


def say(*words: object) -> None:
    """One line, at once: what is in the pipe outlives the process."""
    os.write(1, " ".join(map(str, words)).encode() + b"\n")


async def push(journal: Journal, name: str) -> None:
    """A device that sends one push after the other, some with pictures, some with several events."""
    for n in range(10**6):
        msg_id = f"{name}-{n}"
        await store(journal, msg_id, pictures=(msg_id.encode() * (n % 5 * 900),), events=n % 3 + 1)
        say("stored", msg_id)


async def deliver(journal: Journal, cursor: Cursor) -> None:
    """An output that has every third event fail at first, and leaves every seventh open."""
    there = asyncio.Event()
    journal.on_append.append(there.set)
    while True:
        while cursor.next < journal.next:
            sequence = cursor.next
            cursor.take(sequence + 1)
            await journal.read(sequence)
            if sequence % 7 == 0:
                continue
            if sequence % 3 == 0:
                cursor.failed(sequence, 1, "busy")
            say("settled", sequence)
            cursor.settle(sequence, "delivered", 1)
            journal.moved()
        there.clear()
        await there.wait()


async def main(folder: Path, name: str) -> None:
    """Go on until killed."""
    async with running(folder, limits=TINY) as journal:
        say("open")
        lane = deliver(journal, journal.cursors["out"])
        await asyncio.gather(lane, *(push(journal, f"{name}-{sender}") for sender in range(4)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
