"""The options of a webhook, and what is wrong with them. No error here tells a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from bridge import Duration, File, Secret
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
        File | None,
        Meta(
            description="PEM file of the authorities to trust, instead of the system's.",
            examples=["secrets/ca.pem"],
        ),
    ] = None
    insecure: Annotated[bool, Meta(description="true takes any certificate: anybody may pose as the far side.")] = False

    def faults(self) -> Iterator[str]:
        """What is wrong with them, "key: what is wrong"."""
        if self.annotated and self.picture == "none":
            yield 'annotated: needs picture = "inline" or "multipart"'
        if self.secret is not None:
            try:
                signing_key(self.secret)
            except ValueError as error:
                yield str(error)
        for name, value in self.headers.items():
            yield from _faults_of_header(name, value)
        yield from _faults_of_url(self.url)


def _faults_of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield "url: not a URL with a port between 1 and 65535"
        return
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f]", url):
        yield 'url: not an http or https URL, such as "https://erp.example/hooks/alarm"'
    if "@" in parts.netloc:
        yield 'url: holds a user name; put it into headers = { Authorization = "Basic ..." }'


def _faults_of_header(name: str, value: Secret) -> Iterator[str]:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        yield f'headers: "{name}" is not the name of a header'
    if lower in _OURS or lower.startswith(("webhook-", "x-boxbridge-")):
        yield f'headers: "{name}" is set by boxbridge itself'
    if not _VALUE.fullmatch(value.reveal()):
        yield f'headers: the value of "{name}" is empty or holds characters that no header may hold'
