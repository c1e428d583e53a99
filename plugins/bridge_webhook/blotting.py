"""Showing what a far side said: its beginning, on one line, with blots where it echoes something secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote_plus, unquote, urlsplit

from bridge_webhook.basic import encoded
from bridge_webhook.options import WebhookOptions

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
    values = [value or name for name, _, value in (pair.partition("=") for pair in parts.query.split("&"))]
    hidden = [part for part in (*parts.path.split("/"), parts.query, *values) if len(part) >= _SHORTEST_HIDDEN]
    for part in sorted(hidden, key=len, reverse=True):
        text = text.replace(part, "<url>").replace(unquote(part), "<url>")
    line = " ".join(text.split())
    return "".join(character for character in line[:SHOWN] if character.isprintable())


def _secrets(options: WebhookOptions) -> Iterator[str]:
    for secret in (*options.secrets, options.bearer, *options.headers.values()):
        if secret is not None:
            value = secret.reveal()
            yield from (value, *value.split()[-1:])  # also without the "Bearer" before it
    for login in (options.basic, options.proxy_basic):
        if login is not None:
            password = login.password.reveal()
            yield from (password, encoded(login.username, password))
    if options.oauth2:
        given = options.oauth2.client_secret.reveal()
        quoted = quote_plus(given)  # as it goes into a form, and into the header of the pair
        yield from (given, quoted, encoded(quote_plus(options.oauth2.client_id), quoted))
