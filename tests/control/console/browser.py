"""A real browser without a window: Debian's Chromium, driven through its own driver."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

_Found = TypeVar("_Found")

PATIENCE = 20.0


class Browser:
    """Looks at pages; each call runs in a thread, for the daemon has the loop of the test."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self.root = ""
        """The address that paths begin at."""

    async def open(self, path: str) -> None:
        """Go to a page."""
        await asyncio.to_thread(self.driver.get, self.root + path)

    async def until(self, selector: str, text: str = "") -> WebElement:
        """Wait for an element that has a text; returns it."""
        return await self._eventually(lambda: self._find(selector, text), f"{selector} with {text!r}")

    async def until_gone(self, selector: str) -> None:
        """Wait until there is no such element."""
        await self._eventually(lambda: not self.driver.find_elements(By.CSS_SELECTOR, selector), f"no {selector}")

    async def until_hidden(self, selector: str) -> None:
        """Wait until no such element is seen."""
        await self._eventually(lambda: self._is_hidden(selector), f"no {selector} to be seen")

    async def click(self, selector: str, text: str = "") -> None:
        """Wait for an element and click it."""
        await self._eventually(lambda: self._click(selector, text), f"{selector} with {text!r} to click")

    async def type(self, selector: str, text: str) -> None:
        """Wait for a field and fill it in."""
        await self._eventually(lambda: self._type(selector, text), f"{selector} to fill in")

    async def run(self, script: str, *values: Any) -> Any:
        """What a script in the page returns; one that takes its time ends with a promise."""
        return await asyncio.to_thread(self.driver.execute_script, script, *values)

    async def complaints(self) -> list[str]:
        """What the browser had to complain about since it was last asked, such as the pages' policy being violated."""
        entries = await asyncio.to_thread(self.driver.get_log, "browser")
        return [entry["message"] for entry in entries]

    def _find(self, selector: str, text: str) -> WebElement | None:
        return next((e for e in self.driver.find_elements(By.CSS_SELECTOR, selector) if text in e.text), None)

    def _is_hidden(self, selector: str) -> bool:
        return not any(element.is_displayed() for element in self.driver.find_elements(By.CSS_SELECTOR, selector))

    def _click(self, selector: str, text: str) -> bool:
        element = self._find(selector, text)
        if element is not None:
            element.click()
        return element is not None

    def _type(self, selector: str, text: str) -> bool:
        element = self._find(selector, "")
        if element is not None:
            element.clear()
            element.send_keys(text)
        return element is not None

    async def _eventually(self, look: Callable[[], _Found | None], wanted: str) -> _Found:
        deadline = time.monotonic() + PATIENCE
        refusal: str | None = None
        while True:
            try:
                if found := await asyncio.to_thread(look):
                    return found
            except WebDriverException as reason:
                refusal = reason.msg  # a page that is just changing refuses in many words: it is looked at again
            if time.monotonic() > deadline:
                page = await self.run("return document.body.innerText")
                raise AssertionError(f"no {wanted} within {PATIENCE} s at {self.driver.current_url}: {refusal}\n{page}")
            await asyncio.sleep(0.05)


@contextmanager
def chromium(width: int = 1280, height: int = 900, *options: str) -> Iterator[Browser]:
    """A browser for a while; the test is skipped where the machine has none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("NO BROWSER HERE, the console is not tested: apt-get install chromium chromium-driver")
    wanted = webdriver.ChromeOptions()
    wanted.binary_location = binary
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
        *options,
    ):
        wanted.add_argument(option)
    wanted.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(wanted, webdriver.ChromeService(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()
