"""Fixtures of the outputs' tests."""

from __future__ import annotations

import pytest

from tests.plugins.certificates import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and what it vouches for."""
    try:
        return Certificates(tmp_path_factory.mktemp("certificates"))
    except FileNotFoundError:
        pytest.skip("openssl is not installed: TLS was not tested here")
