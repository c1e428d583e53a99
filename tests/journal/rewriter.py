"""A process to kill: it rewrites and merges the segments of a journal over and over, and says so after each."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bridge.journal.journal import Keep
from bridge.journal.thinning import Thinning, merge
from tests.journal.journals import TINY, running


async def main(folder: Path, history: float) -> None:
    """Rewrite all there is to rewrite, one segment after the other."""
    async with running(folder, limits=TINY) as journal:
        os.write(1, b"begin\n")
        keep = Keep(settled=0, dead=1e9, history=history)
        while True:
            thinning = Thinning(journal.log, list(journal.cursors.values()), keep)
            if not thinning.thin(2**60, 0) and not merge(journal.log, TINY.segment_bytes * 20):
                break
            os.write(1, b"one\n")
        os.write(1, b"end\n")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
