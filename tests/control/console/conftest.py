"""Fixtures of the console's tests: one browser for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.control.console.browser import Browser, chromium


@pytest.fixture(scope="package")
def _chromium() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(_chromium: Browser) -> Browser:
    """A browser that remembers nothing, and has nothing to complain about yet."""
    _chromium.driver.get("about:blank")
    _chromium.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    _chromium.driver.get_log("browser")  # type: ignore[no-untyped-call]
    return _chromium
