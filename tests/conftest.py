"""Fixtures that all tests share."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
import uvicorn.server
from hypothesis import settings

from bridge.errors import Problem
from bridge.words.patterns import chinese
from tests.brokers import broker, mosquitto
from tests.faults.table import pytest_terminal_summary

__all__ = ["broker", "mosquitto", "pytest_terminal_summary"]
"""Fixtures from beside this file, and a hook."""

# The default draws each traceback in boxes with all locals, which takes longer than many a test waits.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# It looks ten times a second whether it is to end and whether connections did: 0.6 s for each daemon that a test stops.
vars(uvicorn.server)["asyncio"] = SimpleNamespace(
    **{**vars(asyncio), "sleep": lambda seconds: asyncio.sleep(seconds / 20)}
)

os.environ["LC_ALL"] = "C.UTF-8"
"""Tests read English, whatever the language of who runs them; commands that they start do as well."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background job; commands that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that does other things too takes its time for an example.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

DATA = Path(__file__).parent / "data"


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the daemon does."""
    return "asyncio"


@pytest.fixture(scope="session")
def sample_body() -> bytes:
    """The vendor's sample document, as a box pushes it."""
    return (DATA / "offvehicle.json").read_bytes()


@pytest.fixture(autouse=True)
def _every_fault_of_a_configuration_is_said_in_chinese(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Whatever is wrong in a test's configuration has a pattern; a plugin's own words may have none: `own_words`."""
    said: list[str] = []
    plain = Problem.__init__

    def listening(problem: Problem, where: str, what: str) -> None:
        plain(problem, where, what)
        said.append(what)

    monkeypatch.setattr(Problem, "__init__", listening)
    yield
    if not request.node.get_closest_marker("own_words"):
        assert [what for what in said if chinese(what) is None] == []
