"""Pushes for the normalizers' tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.normalizer import Parsed, Push
from bridge.protocols.skill import SkillNormalizer


@pytest.fixture
def received() -> datetime:
    """A second after the sample happened."""
    return datetime(2023, 11, 20, 6, 39, 48, tzinfo=UTC)


@pytest.fixture
def sample(sample_body: bytes) -> dict[str, Any]:
    """The sample as a tree, for a test to change."""
    tree: dict[str, Any] = json.loads(sample_body)
    return tree


@pytest.fixture
def push(received: datetime) -> Callable[..., Push]:
    """Makes a push of a body, or of the JSON of a tree."""

    def make(body: Any, received: datetime = received) -> Push:
        return Push(
            method="POST",
            path="/dataPush/DataReportCB",
            query="",
            headers={},
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            peer="192.168.1.77",
            received=received,
        )

    return make


@pytest.fixture
def read(push: Callable[..., Push]) -> Callable[..., Parsed]:
    """Parses a body, or the JSON of a tree, as a push."""

    def parse(*arguments: Any, **named: Any) -> Parsed:
        return SkillNormalizer().parse(push(*arguments, **named))

    return parse
