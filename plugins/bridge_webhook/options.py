"""The keys of `[output.NAME]` with `type = "webhook"`, and what is wrong with them. No error here tells a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bridge import Duration, File, Secret
from bridge_webhook.signature import signing_key
from bridge_webhook.target import faults_of_names, faults_of_url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
"""What the value of a header may be."""
_OURS = {"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"}


class Basic(Struct, frozen=True, kw_only=True):
    """A user name and its password."""

    username: Annotated[str, Meta(description="User name.", examples=["boxbridge"], min_length=1)]
    password: Annotated[Secret, Meta(description="Password.")]


class OAuth2(Struct, frozen=True, kw_only=True):
    """Where a token is got with client credentials, as RFC 6749 has them."""

    token_url: Annotated[
        str, Meta(description="Where tokens are given.", examples=["https://login.example/oauth2/token"])
    ]
    client_id: Annotated[str, Meta(description="Who asks.", examples=["boxbridge"], min_length=1)]
    client_secret: Annotated[Secret, Meta(description="How it is proven.")]
    scope: Annotated[str, Meta(description='What for; several with blanks between them; "" for none.')] = ""
    audience: Annotated[str, Meta(description='For whom, where the server asks for it; "" for none.')] = ""
    client_auth: Annotated[
        Literal["basic", "body"], Meta(description="Whether id and secret go into a header or into the form.")
    ] = "basic"

    def faults(self) -> Iterator[str]:
        """What is wrong with them, "key: what is wrong"."""
        yield from faults_of_url("token_url", self.token_url, "https://login.example/oauth2/token")


class WebhookOptions(Struct, frozen=True, kw_only=True):
    """The keys of an output of type `webhook`."""

    url: Annotated[
        str,
        Meta(
            description="Where events are posted; {device}, {channel}, {kind} and {site} in it are filled in.",
            examples=["https://erp.example/hooks/alarm"],
            min_length=1,
        ),
    ]
    format: Annotated[
        Literal["event", "original", "template"],
        Meta(description="The body: the event document, the device's own request, or what `template` gives."),
    ] = "event"
    template: Annotated[
        str, Meta(description="Jinja2 text of the body.", examples=['{"text": {{ event.name | tojson }}}'])
    ] = ""
    content_type: Annotated[str, Meta(description="Of what `template` gives.")] = "application/json"
    picture: Annotated[
        Literal["none", "inline", "multipart", "url"],
        Meta(description="Pictures: left out, as base64 in the body, as parts of a form beside it, or links to them."),
    ] = "none"
    annotated: Annotated[
        bool, Meta(description="Also send a copy of the scene with regions, boxes, tracks and counts drawn on it.")
    ] = False
    secret: Annotated[
        Secret | list[Secret] | None,
        Meta(
            description="Signs each request as Standard Webhooks says: `whsec_` and base64, or any text; "
            "several in a list, while receivers change over."
        ),
    ] = None
    bearer: Annotated[Secret | None, Meta(description="Sent as `Authorization: Bearer`.")] = None
    basic: Annotated[Basic | None, Meta(description="User name and password, as HTTP Basic has them.")] = None
    oauth2: Annotated[
        OAuth2 | None, Meta(description="Client credentials; the token is kept, and renewed before it expires.")
    ] = None
    headers: Annotated[
        dict[str, Secret], Meta(description="Further headers, such as `X-Api-Key`; their values are secrets.")
    ] = {}
    connect_timeout: Annotated[
        Duration, Meta(description="How long connecting may take, TLS included.", ge=0.1, le=3600)
    ] = Duration("10s")
    proxy: Annotated[
        str,
        Meta(
            description="HTTP proxy that all requests go through, those for tokens too.",
            examples=["http://192.168.1.2:3128"],
        ),
    ] = ""
    proxy_basic: Annotated[Basic | None, Meta(description="User name and password for the proxy.")] = None
    ca: Annotated[
        File | None,
        Meta(
            description="PEM file of the authorities to trust, instead of the system's.",
            examples=["secrets/ca.pem"],
        ),
    ] = None
    cert: Annotated[
        File | None, Meta(description="PEM file of the certificate to show.", examples=["secrets/boxbridge.pem"])
    ] = None
    key: Annotated[
        File | None,
        Meta(
            description="PEM file of the certificate's private key, if not in the same file.",
            examples=["secrets/boxbridge.key"],
        ),
    ] = None
    insecure: Annotated[bool, Meta(description="true takes any certificate: anybody may pose as the far side.")] = False

    @property
    def secrets(self) -> list[Secret]:
        """What requests are signed with, in the order of the configuration."""
        return self.secret if isinstance(self.secret, list) else [self.secret] if self.secret else []

    def faults(self) -> Iterator[Iterator[str]]:
        """What is wrong with them, "key: what is wrong", in groups."""
        yield faults_of_url("url", self.url)
        yield faults_of_names(self.url)
        yield self._faults_of_pictures()
        yield self._faults_of_template()
        yield self._faults_of_secrets()
        yield self._faults_of_headers()
        yield self._faults_of_bearer()
        yield self._faults_of_authorization()
        yield self._faults_of_certificate()
        yield self._faults_of_proxy()

    def _faults_of_pictures(self) -> Iterator[str]:
        if self.format == "original" and self.picture != "none":
            yield 'picture: has to be "none" with format = "original", whose pictures are where they came'
        if self.annotated and self.picture in ("none", "url"):
            yield 'annotated: needs picture = "inline" or "multipart"'

    def _faults_of_template(self) -> Iterator[str]:
        if not VALUE.fullmatch(self.content_type):
            yield "content_type: is empty or holds characters that no header may hold"
        if self.format == "template" and not self.template:
            yield 'template: is missing, which format = "template" needs'
        elif self.format != "template" and self.template:
            yield 'template: goes with format = "template" only'
        elif self.template:
            from bridge_webhook.template import faults_of_template  # noqa: PLC0415 - only who uses it loads Jinja2

            yield from faults_of_template(self.template, self.content_type, inline=self.picture == "inline")

    def _faults_of_secrets(self) -> Iterator[str]:
        if self.secret == []:
            yield "secret: is empty"
        for secret in self.secrets:
            try:
                signing_key(secret)
            except ValueError as error:
                yield f"secret: {error}"

    def _faults_of_headers(self) -> Iterator[str]:
        for name, value in self.headers.items():
            yield from _faults_of_header(name, value)

    def _faults_of_bearer(self) -> Iterator[str]:
        if self.bearer and not VALUE.fullmatch(self.bearer.reveal()):
            yield "bearer: is empty or holds characters that no header may hold"

    def _faults_of_authorization(self) -> Iterator[str]:
        for key in ("basic", "proxy_basic"):
            login: Basic | None = getattr(self, key)
            if login and ":" in login.username:
                yield f"{key}: username holds a colon, which ends it"
        given = [key for key in ("bearer", "basic", "oauth2") if getattr(self, key)]
        given += ["headers"] if "authorization" in {name.lower() for name in self.headers} else []
        if len(given) > 1:
            yield f"{given[1]}: sets Authorization, as {given[0]} does: only one of them can"

    def _faults_of_certificate(self) -> Iterator[str]:
        if self.key and not self.cert:
            yield "key: needs cert beside it"

    def _faults_of_proxy(self) -> Iterator[str]:
        if self.proxy_basic and not self.proxy:
            yield "proxy_basic: needs proxy beside it"
        if self.proxy:
            yield from faults_of_url("proxy", self.proxy, "http://192.168.1.2:3128")
            if re.search(r"[^:/][/?].", self.proxy):
                yield "proxy: nothing may follow host and port"


def _faults_of_header(name: str, value: Secret) -> Iterator[str]:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        yield f'headers: "{name}" is not the name of a header'
    if lower in _OURS or lower.startswith(("webhook-", "x-boxbridge-")):
        yield f'headers: "{name}" is set by boxbridge itself'
    if not VALUE.fullmatch(value.reveal()):
        yield f'headers: the value of "{name}" is empty or holds characters that no header may hold'
