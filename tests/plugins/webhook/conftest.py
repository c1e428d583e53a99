"""Fixtures of the webhook's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.webhook.receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web service that keeps what it is sent."""
    with Receiver().serving() as serving:
        yield serving
