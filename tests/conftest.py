"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from tests.brokers import broker, mosquitto

__all__ = ["broker", "mosquitto"]
"""Fixtures from beside this file."""

# The default draws each traceback in boxes with all locals, which takes longer than many a test waits.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

DATA = Path(__file__).parent / "data"


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the daemon does."""
    return "asyncio"


@pytest.fixture(scope="session")
def sample_body() -> bytes:
    """The vendor's sample document, as a box pushes it."""
    return (DATA / "offvehicle.json").read_bytes()
