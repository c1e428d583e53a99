"""Fixtures of the webhook's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.webhook.certificates import Certificates
from tests.plugins.webhook.receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web service that keeps what it is sent."""
    with Receiver().serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and what it vouches for."""
    try:
        return Certificates(tmp_path_factory.mktemp("certificates"))
    except FileNotFoundError:
        pytest.skip("openssl is not installed: TLS was not tested here")
