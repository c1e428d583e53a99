"""URLs: what may be one, what of it may be shown, and where an event goes if there are names in braces in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote, urlsplit

from bridge import Event, Rejected, did_you_mean
from bridge_webhook.address import forbidden, is_address

_SLOT = re.compile(r"\{([^{}]*)\}")

NAMES: Final[dict[str, Callable[[Event], str]]] = {
    "site": lambda event: event.site,
    "device": lambda event: event.device.id,
    "channel": lambda event: event.channel.id,
    "kind": lambda event: event.kind,
}
"""What may stand in braces in a url."""


def faults_of_url(key: str, url: str, example: str = "https://erp.example/hooks/alarm") -> Iterator[str]:
    """`key: what is wrong` where a text is no URL, or one that nothing is ever sent to."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        yield f"{key}: not a URL with a port between 1 and 65535"
        return
    if parts.scheme not in ("http", "https") or not host or port == 0 or re.search(r"[\s\x00-\x1f]", url):
        yield f'{key}: not an http or https URL, such as "{example}"'
        return
    if "@" in parts.netloc:
        yield f"{key}: holds a user name; put it into basic, or for a proxy into proxy_basic"
    if is_address(host) and (why := forbidden(host)):
        yield f"{key}: {host} is {why}: nothing is ever sent there"


def faults_of_names(url: str) -> Iterator[str]:
    """`url: what is wrong` where braces hold an unknown name, or stand where the host or its port would be."""
    if re.match(r"[^:]*://[^/?]*[{}]", url):
        yield "url: names in braces may stand in its path and query, not in its host"
    for name in _SLOT.findall(url):
        if name not in NAMES:
            yield f'url: "{name}" is not known{did_you_mean(name, NAMES)} (there are: {", ".join(NAMES)})'


def target_of(url: str, event: Event) -> str:
    """The URL that an event is posted to; raises Rejected where a name in it would lead elsewhere."""

    def filled(slot: re.Match[str]) -> str:
        value = NAMES[slot[1]](event)
        if value in (".", ".."):  # percent-encoded too, servers take these for steps between folders
            raise Rejected(f'the {slot[1]} "{value}" can\'t stand in a url')
        return quote(value, safe="")

    return _SLOT.sub(filled, url)


def origin_of(url: str) -> str:
    """Scheme, host and port. Path and query may hold secrets and are never shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
