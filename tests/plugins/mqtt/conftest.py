"""Fixtures of the MQTT output's tests."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The daemon's own event loop: paho hangs on its file descriptors."""
    return "asyncio", {"use_uvloop": True}
