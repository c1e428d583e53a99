"""Processes to break, many a second: a server that has imported everything forks one for each job.

The lock of a journal survives in a forked child, so the server itself never opens one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.disk import NOTHING, Fault, Shim
from tests.faults.history import CUT, Line, Teller, read

ROOT = Path(__file__).parents[2]
HUNG_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process is to do with the journal in a folder."""

    do: str
    """The name of one of the functions below."""
    folder: Path
    record: Path
    """Where it tells what happens; it must not lie on a disk that is to lose power."""
    name: str = ""
    """Of its pushes."""
    again: Iterable[str] = ()
    fault: Fault = field(default_factory=Fault)
    point: tuple[str, str, int] | None = None
    """A fail point, what happens there (kill, raise, sleep), and at which time of passing it."""
    recording: bool = False
    hard: bool = False
    """End without closing anything."""
    dead_output: bool = False
    lives: int = 0
    """It ends hard after so many pushes of each device; 0: only what breaks it ends it."""
    unwelcome: Iterable[str] = ("fault of boxbridge", "Traceback", "Exception ignored", "internal error")
    """What must not stand in its log."""

    def text(self) -> str:
        """One line."""
        values = vars(self) | {"fault": self.fault.as_dict(), "again": sorted(self.again)}
        return json.dumps(values, default=str)


class Forks:
    """The server, for the test."""

    def __init__(self, shim: Path | None, log: Path) -> None:
        self.log = log
        self.proved = 0
        """Starts on what was left there, held against what was told."""
        self.failed = 0
        """Processes that failed or met a fault of boxbridge."""
        self._owed = 0
        """Lines that it has yet to say: of a process its number, and how it ended."""
        environment = os.environ | ({"LD_PRELOAD": str(shim)} if shim else {})
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.forks"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, env=environment, text=True,
            )  # fmt: skip

    def start(self, job: Job) -> int:
        """Begin; returns the process's number. What a test was interrupted in is waited for first."""
        assert self._process.stdin
        while self._owed:
            self._said()
        self._owed = 2
        self._process.stdin.write(job.text() + "\n")
        self._process.stdin.flush()
        return int(self._said())

    def wait(self) -> int:
        """Wait for the end of what was begun last; returns its exit status, negative for a signal."""
        return int(self._said())

    def run(self, job: Job) -> list[Line]:
        """Begin, wait, and return what it told. Raises AssertionError if it hung, failed, or met a fault of ours.

        How it ends without power is all the same: its threads go on until the kernel has come to killing it.
        """
        self.proved += job.do == "prove"
        try:
            return self._run(job)
        except AssertionError:
            self.failed += 1
            raise

    def _run(self, job: Job) -> list[Line]:
        logged = self.log.stat().st_size
        self.start(job)
        status = self.wait()
        told = read(job.record)
        if any(line.name == CUT for line in told):
            return told
        with self.log.open("rb") as log:
            log.seek(logged)
            text = log.read().decode(errors="replace")
        assert status in (0, -signal.SIGKILL), f"{job}\nended with {status}:\n{text[-5000:]}"
        assert not any(words in text for words in job.unwelcome), f"{job}\n{text[-5000:]}"
        return told

    def _said(self) -> str:
        assert self._process.stdout
        said = self._process.stdout.readline()
        assert said, f"the forks' server ended:\n{self.log.read_text()[-3000:]}"
        self._owed -= 1
        return said

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)


# --- In the server


def main() -> None:
    """Fork a process for each line, say its number, and then how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(job: dict[str, Any]) -> None:
    """Do one job in a process of its own, and end it; a job that hangs is ended by the kernel."""
    signal.alarm(HUNG_SECONDS)
    status = 1
    with suppress(BaseException):
        os.dup2(2, 1)
        try:
            asyncio.run(_job(job))
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
    sys.stderr.flush()
    os._exit(status)


async def _job(job: dict[str, Any]) -> None:
    from tests.faults import life, points

    folder, teller = Path(job["folder"]), Teller(Path(job["record"]))
    shim = Shim(folder, teller.fd, recording=job["recording"])
    life.hasten()
    if job["point"]:
        name, action, time = job["point"]
        points.arm(name, action, time, teller.say)
    shim.arm(Fault(**job["fault"]))

    def mend() -> None:
        teller.say("hits", shim.hits)
        shim.arm(Fault(NOTHING))

    await getattr(life, "do_" + job["do"])(job, folder, teller, mend)
    if job["hard"]:
        os._exit(0)


if __name__ == "__main__":
    import tests.faults.life  # noqa: F401 - once for all that are forked

    main()
