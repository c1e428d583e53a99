"""Fixtures of the receiver's tests."""

from __future__ import annotations

import pytest

from tests.rooms import Disk


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk below the journal."""
    return Disk(monkeypatch)
