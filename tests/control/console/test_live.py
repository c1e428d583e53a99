"""The live page in a browser: the first push, what comes after it, and what it says of it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from bridge.testing import sample_push
from tests.control.console.browser import Browser
from tests.daemon import bridge_with
from tests.rooms import Bringing, Far, async_output

pytestmark = pytest.mark.anyio

SINK = '[output.erp]\ntype = "sink"\n'


def root(control: httpx2.AsyncClient) -> str:
    return str(control.base_url).rstrip("/")


async def test_the_first_push_lights_the_page_up(tmp_path: Path, browser: Browser) -> None:
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", Far()))) as running, running.box() as box:
        browser.root = root(running.control)
        await browser.open("/")
        await browser.until("code", running.url)
        await browser.until(".qr svg")
        await box.push(b'{"what": "is this"}')
        await browser.until(".contact", "from 127.0.0.1")
        assert (await box.push(sample_push(device="gate-3", targets=2))).success
        await browser.until(".card", "gate-3 / 1")
        await browser.until(".card .mark.delivered", "erp")
        await browser.until(".card .target polygon")
        assert (
            await browser.run("const i = document.querySelector('.card img'); await i.decode(); return i.naturalWidth")
            == 1920
        )
        assert await browser.complaints() == []
