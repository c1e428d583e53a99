"""Pictures of the console for docs/images: `python -m tests.control.console.screenshots FOLDER`.

They are of a daemon with a day's small troubles: an archive that is well, a broker that is away, a service that refuses
some events; and of one that nothing has reached yet.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from PIL import Image

from bridge.event import utc_now
from bridge.testing import sample_push
from bridge.testing.drawing import draw_scene
from tests.control.console.browser import Browser, chromium
from tests.daemon import Running, bridge_with
from tests.end_to_end.web import WebServer
from tests.rooms import until

_DEVICES = '[device."BOX-1"]\nid = "gate-3"\nname = "Gate 3"\n[device."BOX-2"]\nid = "yard"\nname = "Yard"\n'
_OUTPUTS = """
[output.local]
type = "archive"
[output.erp]
type = "webhook"
url = "{url}"
[output.broker]
type = "mqtt"
url = "mqtt://127.0.0.1:1"
"""
_EVENTS = 14


class Shots:
    """Takes pictures into a folder."""

    def __init__(self, folder: Path, running: Running) -> None:
        self._folder = folder
        self._root = str(running.control.base_url).rstrip("/")

    @contextmanager
    def _looking(self, size: tuple[int, int], lang: str, *, dark: bool) -> Iterator[Browser]:
        with chromium(*size, f"--accept-lang={lang}", "--hide-scrollbars") as browser:
            media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
            browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
            screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
            browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            browser.root = self._root
            yield browser

    async def take(
        self,
        name: str,
        path: str,
        wanted: str,
        size: tuple[int, int] = (1024, 720),
        lang: str = "en",
        dark: bool = False,
    ) -> None:
        """One picture of a page, once it shows an element."""
        with self._looking(size, lang, dark=dark) as browser:
            await browser.open(path)
            await browser.until(wanted)
            await browser.run(
                "await Promise.all([...document.images].filter(i => i.getBoundingClientRect().top < innerHeight)"
                ".map(i => i.decode().catch(() => null)))"
            )
            file = self._folder / f"{name}.png"
            await asyncio.to_thread(browser.driver.save_screenshot, str(file))
            await asyncio.to_thread(_shrink, file)
            print(f"{file}  {file.stat().st_size / 1000:.0f} kB")


def _shrink(file: Path) -> None:
    """Keep the colours that it needs."""
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)


@asynccontextmanager
async def _daemon(outputs: str) -> AsyncIterator[Running]:
    folder = Path(tempfile.gettempdir()) / "plant-a"  # it is seen in the pictures
    folder.mkdir()
    try:
        async with bridge_with(folder, outputs) as running:
            yield running
    finally:
        shutil.rmtree(folder)


async def _busy(shots_in: Path) -> None:
    with WebServer() as erp:
        async with _daemon(_OUTPUTS.format(url=erp.url) + _DEVICES) as running, running.box() as box:
            shots = Shots(shots_in, running)
            await running.control.get("/")  # from now on it is known how long outputs take
            for number in range(_EVENTS):
                erp.status = 422 if number % 5 == 4 else 200
                kind = "pre_offvehicle" if number % 3 else "pre_parking"
                body = sample_push(
                    kind=kind,
                    device=f"BOX-{1 + number % 2}",
                    channel=1 + number % 2,
                    when=utc_now() - timedelta(seconds=_EVENTS - number),
                    picture=draw_scene(seed=number, size=None),  # without a camera's noise, which makes large files
                    targets=1 + number % 3,
                )
                assert (await box.push(body)).success
                await until(lambda: _settled(running, "local", "erp"))
            for body in (
                b'{"alarm": {"sn": "CAM-7", "type": "smoke", "time": "2026-11-24 20:15:01"}}',
                b"GET /cgi-bin/snap",
            ):
                await box.push(body)
            newest = (await running.control.get("/api/v1/events", params={"limit": "1"})).json()["events"][0]["id"]
            await shots.take("live-en-light", "/", ".card")
            await shots.take("live-zh-dark", "/", ".card", lang="zh-CN", dark=True)
            await shots.take("live-en-phone", "/", ".card", (390, 844))
            await shots.take("event-en-light", f"/events/{newest}", ".panel", (1280, 900))
            await shots.take("event-zh-dark", f"/events/{newest}", ".panel", (1280, 900), "zh-CN", dark=True)
            await shots.take("devices-en-light", "/devices", ".panel")
            await shots.take("outputs-en-light", "/outputs", ".panel")
            await shots.take("outputs-zh-light", "/outputs", ".panel", lang="zh-CN")
            await shots.take("dead-en-dark", "/dead", ".panel", dark=True)
            await shots.take("dead-zh-phone", "/dead", ".panel", (390, 844), "zh-CN")
            await shots.take("unknown-zh-light", "/unknown/1", "#mapping", lang="zh-CN")
            await shots.take("system-en-light", "/system", ".panel")


def _settled(running: Running, *names: str) -> bool:
    reports = {report.name: report for report in running.daemon.dispatcher.reports()}
    return not any(reports[name].waiting or reports[name].under_way for name in names)


async def _new(shots_in: Path) -> None:
    async with _daemon("") as running:
        shots = Shots(shots_in, running)
        await shots.take("first-en-light", "/", ".addresses")
        await shots.take("first-zh-dark", "/", ".addresses", lang="zh-CN", dark=True)


async def main(folder: Path) -> None:
    """Take all of them."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    await _new(folder)
    await _busy(folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
