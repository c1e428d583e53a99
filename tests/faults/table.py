"""The fault suite's table, at the end of a run: what the rounds of each test came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.forks import Forks
from tests.faults.history import History

TITLES = ("rounds", "answered", "lost", "duplicated", "failed starts")
"""As in bench/README.md."""
_CAME_TO = "what its rounds came to"


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Note on the test's report what came of every history in it."""
    if "forks" not in request.fixturenames:
        yield
        return
    forks: Forks = request.getfixturevalue("forks")
    histories: list[History] = []
    plain = History.__init__

    def listed(history: History, *values: Any, **named: Any) -> None:
        plain(history, *values, **named)
        histories.append(history)

    monkeypatch.setattr(History, "__init__", listed)
    proved, failed = forks.proved, forks.failed
    yield
    answered = sum(len(history.answered) for history in histories)
    lost = sum(len(history.lost) for history in histories)
    duplicated = sum(history.duplicated for history in histories)
    came_to = (forks.proved - proved, answered, lost, duplicated, forks.failed - failed)
    request.node.user_properties.append((_CAME_TO, came_to))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a row for each test, all its parameters together."""
    rows: dict[str, Counter[str]] = {}
    for report in terminalreporter.stats.get("", ()):
        for name, came_to in report.user_properties:
            if name == _CAME_TO:
                test = report.nodeid.partition("[")[0].removeprefix("tests/faults/")
                rows.setdefault(test, Counter()).update(dict(zip(TITLES, came_to, strict=True)))
    if not rows:
        return
    terminalreporter.write_sep("=", "faults")
    width = max(map(len, rows))
    terminalreporter.line(" " * width + "".join(f"{title:>15}" for title in TITLES))
    for test, row in rows.items():
        terminalreporter.line(f"{test:{width}}" + "".join(f"{row[title]:>15,}" for title in TITLES))
