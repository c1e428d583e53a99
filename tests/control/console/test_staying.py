"""Pages that stay open while sessions end and the daemon is started anew, and the ways back to them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse

from bridge.control.console import outputs
from bridge.testing import sample_push
from bridge.testing.bridge import Bridge
from tests.control.console.browser import Browser
from tests.control.console.test_pages import FOLLOWING, console
from tests.control.test_door import LINE, PASSWORD

pytestmark = pytest.mark.anyio

ARCHIVE = '[output.erp]\ntype = "archive"\n'


async def sign_in(browser: Browser, path: str) -> None:
    await browser.open(path)
    await browser.type("#password", PASSWORD)
    await browser.click("button.primary", "Sign in")


async def sign_out_elsewhere(browser: Browser) -> None:
    status = await browser.run("""
        const token = document.querySelector('input[name=token]').value;
        return fetch('/logout', {method: 'POST', body: new URLSearchParams({token})}).then(answer => answer.status)
    """)
    assert status == 200


async def test_who_is_signed_out_meanwhile_signs_in_and_is_back(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser, password=LINE):
        await sign_in(browser, "/outputs")
        await browser.until("h1", "Outputs")
        await sign_out_elsewhere(browser)
        await browser.until("#password")
        await sign_in(browser, browser.driver.current_url.removeprefix(browser.root))
        await browser.until("h1", "Outputs")


async def test_a_button_of_a_session_that_is_over_leads_to_the_door(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser, password=LINE):
        await sign_in(browser, "/system")
        await browser.until("h1", "System")
        await sign_out_elsewhere(browser)
        await browser.click("button", "Check the journal")
        await browser.until("#password")
        assert "next=%2Fsystem" in browser.driver.current_url


async def test_a_wrong_password_and_another_language_lead_to_the_same_place(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser, password=LINE):
        await browser.open("/outputs")
        await browser.type("#password", "not the password")
        await browser.click("button.primary", "Sign in")
        await browser.until("#said", "This is not the password")
        await browser.click("header a[hreflang=zh]")
        await browser.until("html[lang=zh-Hans]")
        await browser.type("#password", PASSWORD)
        await browser.click("button.primary")
        await browser.until("h1", "输出")


async def test_no_page_makes_the_browser_ask_for_a_password_by_itself(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser, password=LINE):
        await browser.open("/login")
        challenge = "return fetch('/api/v1/status').then(answer => answer.headers.get('WWW-Authenticate'))"
        assert await browser.run(challenge) is None


@pytest.fixture
def bridge(tmp_path: Path, browser: Browser) -> Bridge:
    bridge = Bridge(tmp_path, ARCHIVE)
    browser.root = f"http://127.0.0.1:{bridge.control_port}"
    return bridge


async def test_an_open_page_says_that_the_daemon_is_away_and_goes_on_with_the_next(
    bridge: Bridge, browser: Browser
) -> None:
    with bridge:
        await browser.open("/outputs")
        await browser.until("#output-erp .state", "ok")
        await asyncio.to_thread(bridge.stop)
        await browser.until("#lost", "is lost")
        await browser.until("#output-erp")
        await asyncio.to_thread(bridge.start)
        await browser.until_hidden("#lost")
        await browser.click("#output-erp button", "Pause")
        await browser.until("#output-erp .state", "PAUSED")


async def test_the_live_page_goes_on_with_a_daemon_that_was_started_anew(bridge: Bridge, browser: Browser) -> None:
    with bridge:
        await asyncio.to_thread(bridge.push, sample_push(small=True, device="gate-1"))
        await browser.open("/")
        await browser.until(".card", "gate-1")
        await asyncio.to_thread(bridge.stop)
        await browser.until("#lost", "is lost")
        await asyncio.to_thread(bridge.start)
        await asyncio.to_thread(bridge.push, sample_push(small=True, device="gate-2"))
        await browser.until(".card", "gate-2")
        await browser.until_hidden("#lost")
        await browser.click(".card a")
        await browser.until("h1", "pre_offvehicle")
        await asyncio.to_thread(browser.driver.back)
        await browser.until(".card", "gate-2")
        await asyncio.to_thread(bridge.push, sample_push(small=True, device="gate-3"))
        await browser.until(".card", "gate-3")


async def test_what_comes_while_a_paused_page_is_cut_off_is_counted(bridge: Bridge, browser: Browser) -> None:
    with bridge:
        await asyncio.to_thread(bridge.push, sample_push(small=True))
        await browser.open("/")
        await browser.until(FOLLOWING)
        await browser.click("#pause", "Pause")
        await asyncio.to_thread(bridge.stop)
        await browser.until("#lost", "is lost")
        await asyncio.to_thread(bridge.start)
        for _ in range(2):
            await asyncio.to_thread(bridge.push, sample_push(small=True))
        await browser.until("#pause", "2 new")
        await browser.click("#pause")
        await browser.until(".card:nth-child(3)")


async def test_a_form_of_before_a_restart_is_refused_in_words(bridge: Bridge, browser: Browser) -> None:
    with bridge:
        await browser.open("/system")
        await browser.until("h1", "System")
        await asyncio.to_thread(bridge.stop)
        await asyncio.to_thread(bridge.start)
        await browser.click("button", "Check the journal")
        await browser.until("main", "load the page anew")


async def test_many_live_pages_of_one_browser_leave_it_connections(bridge: Bridge, browser: Browser) -> None:
    """A browser has six connections to a host over plain HTTP, and each live page keeps one while it is looked at."""
    with bridge:
        await asyncio.to_thread(bridge.push, sample_push(small=True, device="gate-1"))
        first = browser.driver.current_window_handle
        try:
            for _ in range(8):
                await asyncio.to_thread(browser.driver.switch_to.new_window, "tab")
                await browser.open("/")
                await browser.until(".card", "gate-1")
            await asyncio.to_thread(bridge.push, sample_push(small=True, device="gate-2"))
            await browser.until(".card", "gate-2")
        finally:
            for handle in browser.driver.window_handles:
                if handle != first:
                    browser.driver.switch_to.window(handle)
                    browser.driver.close()
            browser.driver.switch_to.window(first)


async def test_another_language_keeps_what_is_looked_at(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        await box.push(sample_push(small=True, device="门 & 1"))
        await box.push(sample_push(small=True, device="gate-2"))
        await browser.open("/?device=%E9%97%A8%20%26%201")
        await browser.until(".card", "门 & 1")
        await browser.click("header a[hreflang=zh]")
        await browser.until("summary", "筛选事件")
        assert await browser.run("return document.querySelectorAll('.card').length") == 1
        await browser.click("header a[hreflang=en]")
        await browser.until("summary", "Which events")
        assert await browser.run("return document.querySelector('[name=device]').value") == "门 & 1"


async def test_a_fault_of_ours_is_said_on_the_page(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> str:
        raise RuntimeError

    async with console(tmp_path, browser):
        monkeypatch.setattr(outputs, "act_on", broken)
        await browser.open("/outputs")
        await browser.click("#output-erp button", "Pause")
        await browser.until("main", "see the log")


async def test_what_is_no_page_of_ours_leaves_the_page_as_it_is(tmp_path: Path, browser: Browser) -> None:
    """Such as what a proxy answers while the daemon is away."""
    async with console(tmp_path, browser) as running:
        await browser.open("/outputs")
        await browser.until("#output-erp .state", "ok")
        pages, proxy = running.daemon._pages._pages, PlainTextResponse("Bad Gateway", 502)
        running.daemon._pages._pages = proxy
        await browser.until("#lost", "is lost")
        await browser.until("#output-erp .state", "ok")
        running.daemon._pages._pages = pages
        await browser.until_hidden("#lost")
