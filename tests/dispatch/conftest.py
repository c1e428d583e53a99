"""Fixtures of the dispatcher's tests."""

from __future__ import annotations

import pytest

from bridge.dispatch import policy
from tests.rooms import Far


@pytest.fixture
def far() -> Far:
    """A far side that takes everything."""
    return Far()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits after failures are short."""
    monkeypatch.setattr(policy, "OUTPUT_CAP", 0.02)
    monkeypatch.setattr(policy, "EVENT_CAP", 0.02)
