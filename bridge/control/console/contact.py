"""Before the first push: what is to be typed into a box, and whether anything has reached this machine yet."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from bridge.config.address import host_and_port, is_any, is_loopback, joined
from bridge.config.settings import Settings
from bridge.control.console.feed import sent
from bridge.control.console.site import Site
from bridge.control.house import House
from bridge.protocols.skill import PATH

_LOOK_SECONDS: Final = 0.5
_ADDRESS_OF: Final = 0x8915  # SIOCGIFADDR; netlink, which tells all at once, is closed to the service
_MOST_REFUSED: Final = 5


class Address(Struct, frozen=True, kw_only=True):
    """Where a box reaches this machine."""

    interface: str
    url: str
    """With `<token>` where a box must show one: that is typed by who knows it."""
    code: str
    """The same for cameras to read, as SVG; empty where the address has to be completed by hand."""


class Contact(Struct, frozen=True, kw_only=True):
    """What has reached this machine since it was started."""

    heartbeats: int
    refused: tuple[tuple[str, str], ...]
    """From where, and why it was not taken."""


class ContactNews(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the waiting page is told."""

    contact: str = ""
    stored: bool = False
    """There is an event: the page should become the live one."""


def addresses(settings: Settings) -> list[Address]:
    """One for each network interface that boxes may push to; it takes its time."""
    host, port = host_and_port(settings.server.listen)
    scheme = "https" if settings.server.cert else "http"
    token = "/<token>" if settings.server.token else ""
    found = []
    for name, at in interfaces() if is_any(host) else [("", host)]:
        url = f"{scheme}://{joined(at, port)}{token}{PATH}"
        found.append(Address(interface=name, url=url, code="" if token else _code(url)))
    return found


def interfaces() -> list[tuple[str, str]]:
    """The names and IPv4 addresses of this machine; loopback only where there is nothing else."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for name in sorted(file.name for file in Path("/sys/class/net").glob("*")):
            with contextlib.suppress(OSError):  # it has none
                answer = fcntl.ioctl(asked, _ADDRESS_OF, struct.pack("256s", os.fsencode(name)[:15]))
                found.append((name, socket.inet_ntoa(answer[20:24])))
    return [one for one in found if not is_loopback(one[1])] or found


def contact(house: House) -> Contact:
    """What came that is no event."""
    heartbeats = sum(count for (_, outcome), count in house.intake.pushes.items() if outcome == "heartbeat")
    return Contact(heartbeats=heartbeats, refused=tuple(list(house.intake.refused)[-_MOST_REFUSED:]))  # type: ignore[arg-type]


async def follow(site: Site, lang: str) -> AsyncIterator[bytes]:
    """Messages for a page that waits for the first push, as server-sent events."""
    house, seen = site.house, None
    while not house.stopping.is_set():
        if house.journal.next > 1:
            yield sent(ContactNews(stored=True))
            return
        now = contact(house)
        if now != seen:
            seen = now
            yield sent(ContactNews(contact=site.fragment(lang, "contact.html", contact=now)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(house.stopping.wait(), _LOOK_SECONDS)


def _code(url: str) -> str:
    import segno  # noqa: PLC0415 - half a megabyte, for nobody but who waits for the first push

    code = segno.make(url, micro=False, error="m")
    return Markup(code.svg_inline(border=2, dark="#000", light="#fff", omitsize=True, svgclass="code", lineclass=None))  # noqa: S704 - made of an address of ours
