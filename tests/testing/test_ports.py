"""Ports that tests are given."""

from __future__ import annotations

import pytest

from bridge.testing import ports
from bridge.testing.ports import free_port


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_some_port", iter([1, 1, 2]).__next__)
    assert [free_port(), free_port()] == [1, 2]
