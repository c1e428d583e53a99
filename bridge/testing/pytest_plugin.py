"""What pytest loads where boxbridge is installed: fixtures for tests of plugins, and the verdict on contracts.

What a fixture needs is imported when it is used: most test runs of plugins use few of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from bridge import Event
    from bridge.testing import BoxAnswer
    from bridge.testing.bridge import Bridge
    from bridge.testing.brokers import Broker

_TRIED: Final = "boxbridge promise"
_VERDICTS: Final = {"passed": "kept", "failed": "broken", "error": "broken", "skipped": "not tried"}
_COLOURS: Final = {"kept": "green", "broken": "red", "not tried": "yellow"}


# --- Fixtures


@pytest.fixture
def sample_event() -> Event:
    """An event as an output gets it, with a drawn scene that can be read."""
    from bridge.testing import sample_event

    return sample_event()


@pytest.fixture
def sample_push() -> bytes:
    """The body of a push as a box sends it, freshly dated."""
    from bridge.testing import sample_push

    return sample_push()


@pytest.fixture
def fake_box() -> Callable[[str, bytes], BoxAnswer]:
    """A box that pushes to a URL: `answer = fake_box(url, body)`. Async tests use `bridge.testing.Box` itself."""
    from bridge.testing import Box

    async def push(url: str, body: bytes) -> BoxAnswer:
        async with Box(url) as box:
            return await box.push(body)

    return lambda url, body: asyncio.run(push(url, body))


@pytest.fixture
def bridge_with(tmp_path: Path) -> Iterator[Callable[[str], Bridge]]:
    """A running daemon with tables of TOML: `bridge = bridge_with('[output.x]…')`; a test may have several."""
    from bridge.testing.bridge import Bridge

    with ExitStack() as running:

        def started(tables: str) -> Bridge:
            folder = tmp_path / f"bridge-{len(list(tmp_path.glob('bridge-*')))}"
            folder.mkdir()
            return running.enter_context(Bridge(folder, tables))

        yield started


class Clock:
    """What `time.time()` tells, and boxbridge with it: it goes on, from wherever it was put. Durations stay true."""

    def __init__(self) -> None:
        self._true = time.time_ns
        self._ahead = 0

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._true() + self._ahead

    def time(self) -> float:
        """Seconds since 1970."""
        return self.time_ns() / 1e9

    def now(self) -> datetime:
        """The time it tells, in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Put it on by so many seconds; back, where they are negative."""
        self._ahead += int(seconds * 1e9)

    def put(self, when: datetime) -> None:
        """Put it to a time."""
        self.advance((when - self.now()).total_seconds())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of the test's own, for what happens late, expires, or is dated. It moves in this process only."""
    own = Clock()
    monkeypatch.setattr(time, "time_ns", own.time_ns)
    monkeypatch.setattr(time, "time", own.time)
    return own


@pytest.fixture
def mqtt_broker(tmp_path: Path) -> Iterator[Broker]:
    """A real MQTT broker, the first that is on this machine; a test is left out where there is none."""
    from bridge.testing.brokers import BROKERS

    here = [kind for kind in reversed(BROKERS) if not kind.missing()]
    if not here:
        pytest.skip("; ".join(kind.missing() for kind in BROKERS))
    with here[0](tmp_path / "broker") as running:
        yield running


# --- The verdict


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of promises known."""
    config.addinivalue_line("markers", "promise(what, how): a promise of boxbridge's contract, and how it is tried")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note on the test's report which promise it tries, and of what."""
    mark = item.get_closest_marker("promise")
    tried = getattr(item, "cls", None)
    if mark is not None and tried is not None:
        what, how = mark.args
        whole = {name: getattr(tried, name) for name in dir(tried) if isinstance(getattr(tried, name), int | str)}
        item.user_properties.append((_TRIED, (tried.__name__.removeprefix("Test"), what, how.format_map(whole))))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print for each contract which promises are kept, in the language of the locale."""
    tried = [
        (report, *told, verdict)
        for outcome, verdict in _VERDICTS.items()
        for report in terminalreporter.stats.get(outcome, ())
        for name, told in getattr(report, "user_properties", ())
        if name == _TRIED
    ]
    tables: dict[str, list[tuple[str, str, str, str]]] = {}
    for report, whose, what, how, verdict in sorted(tried, key=lambda row: row[0].location[1]):  # as they are written
        tables.setdefault(whose, []).append((what, how, verdict, "" if verdict == "kept" else _reason(report)))
    for whose, rows in sorted(tables.items()):
        _write_table(terminalreporter, whose, rows)


def _write_table(terminal: Any, whose: str, rows: list[tuple[str, str, str, str]]) -> None:
    from bridge.words import cells, language, padded, say, translated

    lang = language(None)
    verdicts = [verdict for _, _, verdict, _ in rows]
    counted = {verdict: verdicts.count(verdict) for verdict in _COLOURS}
    said = [f"{count} {say(lang, f'promise {verdict}')}" for verdict, count in counted.items() if count]
    terminal.write_sep("=", say(lang, "contract", name=whose, verdicts=say(lang, "and").join(said)))
    told = [[translated(lang, text) for text in row[:2]] for row in rows]
    widths = [max(map(cells, column)) for column in zip(*told, strict=True)]
    for texts, (_, _, verdict, reason) in zip(told, rows, strict=True):
        terminal.write("  ".join([*map(padded, texts, widths), ""]))
        terminal.line(say(lang, f"promise {verdict}"), **{_COLOURS[verdict]: True})
        if reason:
            terminal.line(f"    {translated(lang, reason)}")


def _reason(report: Any) -> str:
    """Why a promise is broken or was not tried, on one line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr).strip().splitlines()[0].removeprefix("Failed: ")
