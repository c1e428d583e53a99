"""Showing what a far side said: its beginning, on one line, with blots where it echoes something secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

import pybase64

from bridge_webhook.options import Basic, WebhookOptions

SHOWN: Final = 500
"""Characters of an answer that a reason shows."""
_SHORTEST_HIDDEN: Final = 6
"""Characters of a part of the URL that may be a secret; shorter ones would blank ordinary words."""


def shown(body: bytes, options: WebhookOptions, url: str, tokens: Iterable[str] = ()) -> str:
    """The beginning of an answer from this URL. `tokens`: secrets that are not in the configuration."""
    text = body.decode(errors="replace")
    secrets = {secret for secret in (*_secrets(options), *tokens) if secret}
    for secret in sorted(secrets, key=len, reverse=True):  # one may hold another
        text = text.replace(secret, "<secret>")
    parts = urlsplit(url)
    hidden = [part for part in (*parts.path.split("/"), parts.query) if len(part) >= _SHORTEST_HIDDEN]
    for part in sorted(hidden, key=len, reverse=True):
        text = text.replace(part, "<url>").replace(unquote(part), "<url>")
    line = " ".join(text.split())
    return "".join(character for character in line[:SHOWN] if character.isprintable())


def basic_authorization(login: Basic) -> str:
    """The header's value for HTTP Basic."""
    return f"Basic {_encoded(login)}"


def _secrets(options: WebhookOptions) -> Iterator[str]:
    for secret in (*options.secrets, options.bearer, *options.headers.values()):
        if secret is not None:
            value = secret.reveal()
            yield from (value, *value.split()[-1:])  # also without the "Bearer" before it
    for login in (options.basic, options.proxy_basic):
        if login is not None:
            yield from (login.password.reveal(), _encoded(login))
    if options.oauth2:
        yield options.oauth2.client_secret.reveal()


def _encoded(login: Basic) -> str:
    return pybase64.b64encode(f"{login.username}:{login.password.reveal()}".encode()).decode()
