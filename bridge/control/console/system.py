"""The page of the system: version, configuration in force, room on the disk, plugins, the journal's state, the log."""

from __future__ import annotations

import asyncio
import io
import tarfile
import time
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import log
from bridge.config.in_force import in_force
from bridge.control.answers import Trouble
from bridge.control.console.site import Asked, Site, language
from bridge.control.devices import list_devices
from bridge.control.house import House
from bridge.control.outputs import reports
from bridge.control.scrape import scraped
from bridge.control.status import status_of
from bridge.errors import why
from bridge.journal.inspect import Finding, Inspection
from bridge.words import say, translated

_MOST_FINDINGS = 50


def routes(site: Site) -> list[Route]:
    """The page, a look at the journal, and all of it as one file."""
    house = site.house

    async def show(request: Request, said: str = "") -> Response:
        status = status_of(house)
        return site.page(
            request,
            "system",
            said=said,
            stands=status,
            up=time.time() - status.started,
            configuration=in_force(house.settings),
            plugins=[plugin for plugin in house.plugins.loaded if plugin.origin],
            broken=house.plugins.broken,
            gives_links=bool(house.links.address),
            lines=log.recent(house.settings.timezone),
        )

    async def check(request: Request, _: Asked) -> str:
        lang = language(request)
        findings = await _look(house)
        told = [_told(finding, lang) for finding in findings[:_MOST_FINDINGS]]
        return "\n".join(told) or say(lang, "page journal well")

    async def revoke(request: Request, _: Asked) -> str:
        try:
            await asyncio.to_thread(house.links.revoke)
        except OSError as error:
            raise Trouble(f"the links are revoked, but only until a restart: {why(error)}") from error
        return say(language(request), "page revoked")

    async def reload(request: Request, _: Asked) -> str:
        reloaded = await house.reload()
        lang = language(request)
        told = [say(lang, "reloaded", config=house.config)]
        told += [say(lang, "after restart", key=key) for key in reloaded.after_restart]
        return "\n".join(told + [say(lang, "dropped output", name=name) for name in reloaded.dropped])

    async def bundle(_: Request) -> Response:
        files = dict([one async for one in _bundled(house)])
        name = f"boxbridge-{time.strftime('%Y%m%d-%H%M%S')}"
        return Response(
            await asyncio.to_thread(_packed, name, files),
            media_type="application/gzip",
            headers={"Content-Disposition": f'attachment; filename="{name}.tar.gz"', "Cache-Control": "no-store"},
        )

    return [
        Route("/system", site.shown(show)),
        Route("/system/check", site.changing(check, show), methods=["POST"]),
        Route("/system/revoke", site.changing(revoke, show), methods=["POST"]),
        Route("/system/reload", site.changing(reload, show), methods=["POST"]),
        Route("/system/bundle", site.shown(bundle)),
    ]


async def _look(house: House) -> list[Finding]:
    """What is damaged, as a quick look at the journal tells; raises Trouble."""
    try:
        return await asyncio.to_thread(lambda: list(Inspection(house.journal.folder, fast=True).findings()))
    except OSError as error:
        raise Trouble(f"the journal can't be read now: {why(error)}") from error


def _told(finding: Finding, lang: str) -> str:
    file = f"{finding.file}: " if finding.file else ""
    return translated(lang, f"{file}{finding.sentence}")


async def _bundled(house: House) -> AsyncIterator[tuple[str, bytes]]:
    """What somebody needs who is asked what is wrong: facts, without secrets, bodies or pictures."""
    yield "configuration.toml", in_force(house.settings).encode()
    for name, facts in (
        ("status", status_of(house)),
        ("outputs", reports(house)),
        ("devices", list_devices(house)),
        ("plugins", [*house.plugins.loaded, *house.plugins.broken]),
        ("journal", await _look(house)),
    ):
        yield f"{name}.json", msgspec.json.format(msgspec.json.encode(facts))
    yield "metrics.txt", await scraped(house)
    yield "log.txt", log.recent(house.settings.timezone).encode("utf-8", "backslashreplace")


def _packed(folder: str, files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime = len(content), int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
