"""Break the journal for a while, in every way that the fault tests know, mixed by chance, and count what is lost.

    python -m bench.soak --minutes 10              Linux, gcc; as root power cuts and full disks too
    python -m bench.soak --minutes 10 --seed 42    the same again
    python -m bench.soak --only 'power cut'        one way to break it alone

Exit status 1 means that something answered was lost, or that a start failed. bench/README.md tells the columns.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import image
from tests.faults.disk import CUT, FAIL, KILL, SHORT, Fault, compiled
from tests.faults.forks import Forks, Job
from tests.faults.history import History
from tests.faults.image import Image

_CALLS = 800
"""A life ends, or its disk fails, at one of so many calls."""
_FRESH = 40
"""After so many rounds a journal begins anew."""
_TITLES = ("rounds", "answered", "lost", "duplicated", "failed starts", "other faults")


@dataclass
class Test:
    """One way to break a journal, and what came of it."""

    name: str
    folder: Path
    """Where its journal is, while `disk` is mounted."""
    record: Path
    job: Callable[[random.Random], dict[str, object]]
    disk: Image | None = None
    room: int = 0
    """Bytes that are free while it lives; 0: all that the disk has."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TITLES, 0))
    history: History = field(default_factory=History)
    wrong: list[str] = field(default_factory=list)

    def round(self, forks: Forks, chance: random.Random) -> None:
        """One life that ends badly, and a start on what is left."""
        if self.counts["rounds"] % _FRESH == 0 or not self.history.sent:
            self.history = History()
            with self._there():
                shutil.rmtree(self.folder, ignore_errors=True)
        before, twice = len(self.history.answered), self.history.duplicated
        self.counts["rounds"] += 1
        name = f"r{self.counts['rounds']}"
        try:
            with self._filled():
                self._live(forks, do="push", name=name, **self.job(chance))
            again = chance.sample(sorted(self.history.sent), min(8, len(self.history.sent)))
            self._live(forks, do="prove", again=again)
        except AssertionError as error:
            self.counts["failed starts"] += 1
            self._note(name, str(error)[-2000:])
        self.counts["answered"] += len(self.history.answered) - before
        self.counts["duplicated"] += self.history.duplicated - twice
        self.counts["lost"] += len(self.history.lost)
        faults = self.history.faults(unreadable=True)
        if faults:
            self.counts["other faults"] += len(faults) - bool(self.history.lost)
            self._note(name, "; ".join(faults))
            self.history = History()  # not to be counted again

    def _live(self, forks: Forks, **job: object) -> None:
        self.record.unlink(missing_ok=True)
        with self._there():
            self.history.tell(forks.run(Job(folder=self.folder, record=self.record, **job)))  # type: ignore[arg-type]

    @contextmanager
    def _there(self) -> Iterator[None]:
        if self.disk is None:
            yield
        else:
            with self.disk.mounted():
                yield

    @contextmanager
    def _filled(self) -> Iterator[None]:
        ballast = self.folder.with_name("ballast")
        if self.room:
            with self._there(), ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(self.folder.parent).free - self.room)
        yield
        if self.room:
            with self._there():
                ballast.unlink()

    def _note(self, name: str, what: str) -> None:
        self.wrong.append(f"{self.name}, round {name}: {what}")

    def row(self) -> str:
        """A line of the table."""
        return f"  {self.name:28}" + "".join(f"{self.counts[title]:>15,}" for title in _TITLES)


def _tests(folder: Path) -> list[Test]:
    def test(
        name: str, job: Callable[[random.Random], dict[str, object]], disk: Image | None = None, room: int = 0
    ) -> Test:
        place = disk.folder if disk else folder
        return Test(name, place / name.replace(" ", "-"), folder / "record", job, disk, room)

    def fault(what: int, number: int = 0, *, lasting: bool = False) -> Callable[[random.Random], dict[str, object]]:
        return lambda chance: {
            "fault": Fault(what, chance.randint(1, _CALLS), lasting, number),
            "dead_output": chance.random() < 0.3,
            "lives": chance.randint(5, 60),
        }

    tests = [
        test("killed", fault(KILL)),
        test("one call fails, EIO", fault(FAIL, errno.EIO)),
        test("one call fails, ENOSPC", fault(FAIL, errno.ENOSPC)),
        test("all calls fail from then on", fault(FAIL, errno.EIO, lasting=True)),
        test("short writes from then on", fault(SHORT, lasting=True)),
    ]
    reason = image.missing()
    if reason:
        print(f"NOT TESTED: power cuts and full disks, since {reason}")
        return tests
    return [
        *tests,
        test("power cut", fault(CUT), Image(folder / "cut.img", 96)),
        test("full disk", fault(KILL), Image(folder / "full.img", 16), room=300_000),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, and return the exit status."""
    options = _options(arguments)
    print(f"seed {options.seed}, {options.minutes} minutes", flush=True)
    image.keep_mounts_apart()
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="soak", dir=options.folder))
    shim = compiled(folder)
    if shim is None:
        print("this needs gcc (Debian: apt-get install gcc libc6-dev)", file=sys.stderr)
        return 2
    tests = [test for test in _tests(folder) if test.name in (options.only or test.name)]
    if not tests:
        print(f"nothing here is called {' or '.join(options.only)}", file=sys.stderr)
        return 2
    forks = Forks(shim, folder / "log")
    end = time.monotonic() + options.minutes * 60
    try:
        while time.monotonic() < end:
            chance.choice(tests).round(forks, chance)
            if forks.log.stat().st_size > 50_000_000:
                forks.log.write_bytes(b"")
    finally:
        forks.close()
        _print(tests)
        if not any(test.wrong for test in tests):
            shutil.rmtree(folder)
    return 1 if any(test.wrong for test in tests) else 0


def _print(tests: list[Test]) -> None:
    print("  " + " " * 28 + "".join(f"{title:>15}" for title in _TITLES))
    for test in tests:
        print(test.row())
    for test in tests:
        for wrong in test.wrong:
            print(wrong)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--minutes", type=float, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="to repeat a run")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these rows of the table, such as 'power cut'")
    parser.add_argument("--folder", help="where journals and images lie while it runs; kept if something is wrong")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
