"""Every page in a browser: what its buttons do, that nothing of a device runs there, and that everybody can read it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridge import Delivery, Rejected
from bridge.testing import sample_push
from tests.control.console.browser import Browser
from tests.control.test_door import LINE, PASSWORD
from tests.daemon import Running, bridge_with
from tests.end_to_end.web import WebServer
from tests.rooms import Bringing, Far, async_output, until

pytestmark = pytest.mark.anyio

SINK = '[output.erp]\ntype = "sink"\n'
PAGES = ("/", "/devices", "/outputs", "/dead", "/unknown", "/unknown/1", "/system")
FOLLOWING = "#events[aria-busy=false]"
"""The live page, once it is told what comes."""
HOSTILE = {
    "a script": "<script>document.title='ran'</script>",
    "an image": "\"'><img src=x onerror=\"document.title='ran'\">",
    "a template": "{{7*7}}{% raise %}${7*7}",
    "an address": "javascript:document.title='ran'",
    "another text": "</title></svg><svg onload=\"document.title='ran'\">",
    "half a pair": "\ud83d",
    "a way out": "../../?lang=zh#x",
    "a long one": "门" * 3000,
}


@asynccontextmanager
async def console(folder: Path, browser: Browser, outputs: str = SINK, **more: Any) -> AsyncIterator[Running]:
    """A daemon whose console the browser looks at."""
    async with bridge_with(folder, outputs, Bringing(async_output("sink", Far())), **more) as running:
        browser.root = str(running.control.base_url).rstrip("/")
        yield running


async def newest(running: Running) -> str:
    listed = (await running.socket.get("/api/v1/events", params={"limit": "1"})).json()
    event: str = listed["events"][0]["id"]
    return event


async def test_a_dead_letter_that_is_delivered_again_reaches_the_service(tmp_path: Path, browser: Browser) -> None:
    with WebServer() as erp:
        erp.status = 422
        webhook = f'[output.erp]\ntype = "webhook"\nurl = "{erp.url}"\n'
        async with console(tmp_path, browser, webhook) as running, running.box() as box:
            await box.push(sample_push(small=True))
            await until(lambda: running.daemon.journal.cursors["erp"].dead)
            await asyncio.to_thread(erp.wait)
            erp.status = 200
            await browser.open("/dead")
            await browser.until("td", "HTTP 422")
            await browser.click("button.primary", "Deliver all again")
            await browser.until("#said", "erp: 1 to be delivered again")
            await browser.until(".none", "no dead letters")
            again = await asyncio.to_thread(erp.wait)
            assert (await newest(running)).encode() in again.body
        assert await browser.complaints() == []


async def test_an_events_page_tells_its_story_and_delivers_it_again(tmp_path: Path, browser: Browser) -> None:
    far = Far()
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        browser.root = str(running.control.base_url).rstrip("/")
        for _ in range(3):
            await box.push(sample_push(small=True, targets=2))
        await until(lambda: len(far.taken) == 3)
        await browser.open(f"/events/{far.ids()[1]}")
        await browser.until(".told", "delivered at attempt 1")
        await browser.until("a[rel=prev]")
        await browser.until(f"a[rel=next][href$='{far.ids()[2]}']")
        await browser.click("#layer-targets")
        assert await browser.run("return getComputedStyle(document.querySelector('.target')).display") == "none"
        await browser.click("[data-output=erp] button", "Deliver again")
        await browser.until("#said", "erp gets it again")
        await until(lambda: len(far.taken) == 4)
        assert far.taken[3].replayed
        assert far.taken[3].event.id == far.ids()[1]
        assert await browser.complaints() == []


async def test_the_command_that_pushes_an_event_again_finds_a_receiver_at_an_ipv6_address(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running, running.box() as box:
        await box.push(sample_push())
        settings = running.daemon.settings
        running.daemon.settings = replace(settings, server=replace(settings.server, listen="[fd00::7]:8600"))
        page = await running.control.get(f"/events/{await newest(running)}")
        assert "http://[fd00::7]:8600/dataPush/" in page.text


async def test_the_live_page_waits_while_it_is_paused(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        await box.push(sample_push(small=True))
        await browser.open("/")
        await browser.until(".mark.delivered")
        await browser.until(FOLLOWING)
        await browser.click("#pause", "Pause")
        await browser.until("#pause", "Go on")
        for _ in range(2):
            await box.push(sample_push(small=True))
        await browser.until("#pause", "2 new")
        assert await browser.run("return document.querySelectorAll('.card').length") == 1
        await browser.click("#pause")
        await browser.until(".card:nth-child(3)")


async def test_of_very_many_events_a_page_shows_some_and_says_so(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        await box.push(sample_push(small=True))
        await browser.open("/")
        await browser.until(FOLLOWING)
        for _ in range(60):
            await box.push(sample_push(small=True))
        told = await browser.until("#fewer", "events came at once")
        count, shown = map(int, re.findall(r"\d+", told.text))
        assert shown == 4 < count <= 60


async def test_the_address_says_which_events_are_shown(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        for device in ("gate-1", "gate-2"):
            await box.push(sample_push(small=True, device=device))
        await browser.open("/?device=gate-2")
        await browser.until(".card", "gate-2")
        await browser.type("input[name=device]", "gate-1")
        await browser.click(".filters button")
        await browser.until(".card", "gate-1")
        assert "device=gate-1" in browser.driver.current_url
        assert await browser.run("return document.querySelectorAll('.card').length") == 1


async def test_an_output_is_paused_and_goes_on(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser) as running:
        await browser.open("/outputs")
        await browser.click("#output-erp button", "Send a test")
        await browser.until("#said", "took the test event")
        await browser.click("#output-erp button", "Pause")
        await browser.until("#output-erp .state", "PAUSED by a person")
        assert running.daemon.journal.cursors["erp"].paused
        await browser.click("#output-erp button", "Resume")
        await browser.until("#output-erp .state.open")
        assert await browser.complaints() == []


async def test_who_comes_over_the_network_signs_in(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser, password=LINE) as running:
        await browser.open("/outputs")
        await browser.type("#password", "not the password")
        await browser.click("button.primary", "Sign in")
        await browser.until("#said", "This is not the password")
        await browser.type("#password", PASSWORD)
        await browser.click("button.primary", "Sign in")
        await browser.until("h1", "Outputs")
        assert await browser.run("return document.cookie") == ""
        pause = "fetch('/outputs/erp/pause', {method: 'POST', body: new URLSearchParams({token: 'x'})})"
        assert await browser.run(f"return {pause}.then(answer => answer.status)") == 403
        assert not running.daemon.journal.cursors["erp"].paused


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_a_device_calls_itself_does_nothing_on_any_page(tmp_path: Path, browser: Browser, name: str) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        plain = sample_push(small=True, kind="KIND", device="DEVICE", targets=1)
        written = json.dumps(name)[1:-1].encode()
        body = plain.replace(b"KIND", written).replace(b"DEVICE", written).replace(b'"car"', b'"' + written + b'"')
        assert (await box.push(body)).success
        await box.push(b'{"what": "' + written + b'"}')
        await until(lambda: not running.daemon.dispatcher.reports()[0].waiting)
        for page in (*PAGES, f"/events/{await newest(running)}"):
            await browser.open(page)
            await browser.until("main")
            assert "ran" not in await browser.run("return document.title.split(' ')")
            assert await browser.run("return document.documentElement.scrollWidth <= innerWidth"), page
        assert await browser.complaints() == []


PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
OUTSIDE = """
    const wide = innerWidth > 390 || document.documentElement.scrollWidth > 390;
    const far = [...document.querySelectorAll("main :is(button, .button)")].filter(
        one => one.checkVisibility() && one.getBoundingClientRect().right > 390);
    return [...(wide ? ["the page"] : []), ...far.map(one => one.textContent)];
"""


async def test_a_phone_shows_every_button_without_moving_the_page(tmp_path: Path, browser: Browser) -> None:
    def refuse(_: Delivery) -> None:
        raise Rejected("no such plate " * 20)

    far = Far()
    far.answer = refuse
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        browser.root = str(running.control.base_url).rstrip("/")
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        try:
            await box.push(sample_push(small=True, device="DEVICE-" * 20))
            await box.push(b'{"what": "is this"}')
            await until(lambda: running.daemon.journal.cursors["erp"].dead)
            for page in (*PAGES, f"/events/{await newest(running)}"):
                await browser.open(page)
                await browser.until("main")
                assert await browser.run(OUTSIDE) == [], page
        finally:
            browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


AXE = (files("axe_core_python") / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_everybody_can_read_every_page(tmp_path: Path, browser: Browser, dark: bool) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        await browser.open("/")
        found = await findings(browser, "first push")
        running.daemon.links.address = browser.root
        for number in range(2):
            await box.push(sample_push(small=True, kind=f"pre_{number}", targets=2))
        await box.push(b'{"alarm": {"sn": "CAM-7", "type": "smoke"}}')
        event = await newest(running)
        link = running.daemon.links.to(event).removeprefix(browser.root)
        for page in (*PAGES, f"/events/{event}", "/events/none-such", link, f"{link}&lang=zh"):
            await browser.open(page)
            await browser.until("main")
            found += await findings(browser, page)
        assert found == []


async def findings(browser: Browser, page: str) -> list[str]:
    """What axe finds on the page that is serious."""
    await browser.run(AXE)
    told = await browser.run("return axe.run().then(told => told.violations)")
    return [
        f"{page}: {one['id']}: {[node['html'][:100] for node in one['nodes']][:3]}"
        for one in told
        if one["impact"] in ("serious", "critical")
    ]


async def test_an_event_whose_record_is_damaged_still_has_its_story(tmp_path: Path, browser: Browser) -> None:
    async with console(tmp_path, browser) as running, running.box() as box:
        await box.push(sample_push(small=True, device="gate-3"))
        event = await newest(running)
    (segment,) = (tmp_path / "data" / "journal").glob("*.seg")
    content = segment.read_bytes()
    place = content.index(b"gate-3")
    segment.write_bytes(content[:place] + b"gate-X" + content[place + 6 :])
    async with console(tmp_path, browser):
        await browser.open(f"/events/{event}")
        await browser.until(".told", "received; more is not known")
        await browser.until_gone(".scene")


async def test_a_card_is_no_larger_than_people_can_see(tmp_path: Path) -> None:
    push = json.loads(sample_push(small=True))
    message, corners = push["message"], [{"x": n % 7 / 10, "y": n % 5 / 10} for n in range(90)]
    message["skillInfo"]["name"] = "x" * 1_000_000
    message["data"]["eventInfo"] = [{"eventName": "y" * 1_000_000, "count": 1}]
    message["data"]["regionInfo"] = [{"id": "1", "name": "gate", "type": "area", "locations": corners}] * 90
    async with bridge_with(tmp_path) as running, running.box() as box:
        assert (await box.push(json.dumps(push).encode())).success
        event = await newest(running)
        page = (await running.control.get("/")).text
        assert event in page
        assert "gate" in page
        assert len(page) < 200_000
