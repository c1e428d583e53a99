"""Links to events, the whole way: from an output's message to the page that somebody without a password sees."""

from __future__ import annotations

import asyncio
import errno
import html
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest

from bridge.event import new_id, utc_now
from bridge.testing import draw_dot, sample_push
from tests.control.test_door import LINE
from tests.daemon import Running, bridge_with
from tests.end_to_end.web import WebServer
from tests.rooms import until

pytestmark = pytest.mark.anyio

ADDRESS = f'{LINE}address = "https://bridge.example"\n'
TEMPLATE = 'format = "template"\ntemplate = \'{"text": {{ link | tojson }}}\'\n'


def webhook(erp: WebServer, further: str = "") -> str:
    return f'[output.erp]\ntype = "webhook"\nurl = "{erp.url}"\npicture = "url"\n{further}'


async def get(running: Running, address: str) -> httpx2.Response:
    """What a browser gets that has nothing but the address."""
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("https", "bridge.example")
    async with httpx2.AsyncClient(base_url=running.control.base_url) as client:
        return await client.get(f"{parts.path}?{parts.query}")


async def test_a_message_leads_to_the_picture_and_nowhere_else(tmp_path: Path) -> None:
    with WebServer() as erp:
        async with bridge_with(tmp_path, webhook(erp), password=ADDRESS) as running, running.box() as box:
            picture = draw_dot(1)
            await box.push(sample_push(picture=picture, device="gate-3"))
            document = msgspec.json.decode((await asyncio.to_thread(erp.wait)).body)
            (entry,) = document["data"]["pictures"]
            assert (await get(running, entry["url"])).content == picture
            page = await get(running, entry["url"].replace("/picture/0", ""))
            assert page.status_code == 200
            assert "gate-3" in page.text
            assert not re.search(r"<nav|<form|/api/", page.text)
            other = entry["url"].replace(document["id"], new_id(utc_now()))
            assert (await get(running, other)).status_code == 403
            assert (await get(running, "https://bridge.example/outputs")).status_code == 401
            running.daemon.links.revoke()
            assert (await get(running, entry["url"])).status_code == 403


async def test_a_picture_that_the_disk_does_not_give_now_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with WebServer() as erp:
        async with bridge_with(tmp_path, webhook(erp), password=ADDRESS) as running, running.box() as box:
            await box.push(sample_push(small=True))
            (entry,) = msgspec.json.decode((await asyncio.to_thread(erp.wait)).body)["data"]["pictures"]
            for source in ("FreshPictures", "Pictures"):
                monkeypatch.setattr(f"bridge.journal.push.{source}.read", away)
            answer = await get(running, entry["url"])
    assert answer.status_code == 503
    assert "be read now: Input/output error" in html.unescape(answer.text)


async def test_a_template_may_say_where_the_event_is(tmp_path: Path) -> None:
    with WebServer() as erp:
        async with bridge_with(tmp_path, webhook(erp, TEMPLATE), password=ADDRESS) as running, running.box() as box:
            await box.push(sample_push(small=True))
            page = await get(running, msgspec.json.decode((await asyncio.to_thread(erp.wait)).body)["text"])
            assert page.status_code == 200


async def test_a_trial_has_no_link_and_is_sent_all_the_same(tmp_path: Path) -> None:
    with WebServer() as erp:
        async with bridge_with(tmp_path, webhook(erp), password=ADDRESS) as running:
            await until(lambda: running.daemon.dispatcher.lanes["erp"].report().state == "open")
            tried = await running.socket.post("/api/v1/outputs/erp/test", content=sample_push(small=True))
            assert tried.status_code == 200
            assert "url" not in msgspec.json.decode((await asyncio.to_thread(erp.wait)).body)["data"]["pictures"][0]


async def test_links_are_revoked_on_the_page(tmp_path: Path) -> None:
    with WebServer() as erp:
        plain = 'address = "https://bridge.example"\n'
        async with bridge_with(tmp_path, webhook(erp), password=plain) as running, running.box() as box:
            await box.push(sample_push(small=True))
            url = msgspec.json.decode((await asyncio.to_thread(erp.wait)).body)["data"]["pictures"][0]["url"]
            page = (await running.control.get("/system")).text
            token = page.split('name="token" value="')[1].split('"')[0]
            assert "Copy link" in (await running.control.get(f"/events/{urlsplit(url).path.split('/')[2]}")).text
            assert (await get(running, url)).status_code == 200
            revoked = await running.control.post("/system/revoke", data={"token": token})
            assert "No link that was given out before" in revoked.text
            assert (await get(running, url)).status_code == 403
