"""What the brokers of the kit stand on."""

from __future__ import annotations

import pytest

from bridge.testing import brokers
from bridge.testing.brokers import free_port


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "_some_port", iter([1, 1, 2]).__next__)
    assert [free_port(), free_port()] == [1, 2]
