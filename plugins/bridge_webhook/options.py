"""The options of a webhook, and what is wrong with them. No error here tells a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from bridge import Duration, Secret
from bridge_webhook.signature import signing_key

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OURS = {"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"}


class WebhookOptions(Struct, frozen=True, kw_only=True):
    """The keys of an output of type `webhook`."""

    url: Annotated[
        str, Meta(description="Where events are posted.", examples=["https://erp.example/hooks/alarm"], min_length=1)
    ]
    secret: Annotated[
        Secret | None,
        Meta(description="Signs each request as Standard Webhooks says: `whsec_` and base64, or any text."),
    ] = None
    picture: Annotated[
        Literal["none", "inline", "multipart"],
        Meta(description="Pictures: left out, as base64 in the document, or as parts of a form beside it."),
    ] = "none"
    annotated: Annotated[
        bool, Meta(description="Also send a copy of the scene with regions, boxes, tracks and counts drawn on it.")
    ] = False
    headers: Annotated[
        dict[str, Secret], Meta(description="Further headers, such as `Authorization`; their values are secrets.")
    ] = {}
    connect_timeout: Annotated[
        Duration, Meta(description="How long connecting may take, TLS included.", ge=0.1, le=3600)
    ] = Duration("10s")
    ca: Annotated[
        Path | None,
        Meta(
            description="PEM file of the authorities to trust, instead of the system's.",
            examples=["secrets/ca.pem"],
        ),
    ] = None
    insecure: Annotated[bool, Meta(description="true takes any certificate: anybody may pose as the far side.")] = False

    def __post_init__(self) -> None:
        _check_url(self.url)
        if self.annotated and self.picture == "none":
            raise ValueError('annotated: needs picture = "inline" or "multipart"')
        if self.secret is not None:
            signing_key(self.secret)
        for name, value in self.headers.items():
            _check_header(name, value)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("url: not a URL with a port between 1 and 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f]", url):
        raise ValueError('url: not an http or https URL, such as "https://erp.example/hooks/alarm"')
    if "@" in parts.netloc:
        raise ValueError('url: holds a user name; put it into headers = { Authorization = "Basic ..." }')


def _check_header(name: str, value: Secret) -> None:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError(f'headers: "{name}" is not the name of a header')
    if lower in _OURS or lower.startswith(("webhook-", "x-boxbridge-")):
        raise ValueError(f'headers: "{name}" is set by boxbridge itself')
    if not _VALUE.fullmatch(value.reveal()):
        raise ValueError(f'headers: the value of "{name}" is empty or holds characters that no header may hold')
