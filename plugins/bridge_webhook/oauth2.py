"""The token that a webhook shows: got with client credentials, kept, and renewed before it expires."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from bridge import Rejected, Retry, Stopped, Unavailable, outcome
from bridge_webhook.basic import encoded
from bridge_webhook.blotting import shown
from bridge_webhook.options import VALUE, OAuth2, WebhookOptions
from bridge_webhook.target import origin_of

if TYPE_CHECKING:
    from bridge_webhook.client import Answer, Client

RENEW_BEFORE: Final = 60.0
"""Seconds before its end at which a token is renewed; one that lives shortly, after nine tenths of its life."""
ANSWER_WITHIN: Final = 20.0
"""Seconds that getting one may take, connecting included."""


class _Granted(Struct):
    """What RFC 6749 says an answer holds, as far as it matters here."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a kind of token
    expires_in: float | None = None


_granted = msgspec.json.Decoder(_Granted, strict=False)  # some servers write numbers as text


class Token:
    """One webhook's token, over all its connections and deliveries."""

    def __init__(self, options: WebhookOptions, oauth2: OAuth2) -> None:
        self._options = options
        self._oauth2 = oauth2
        self._origin = origin_of(oauth2.token_url)
        self._value = ""
        self._good_until = 0.0
        self._getting: asyncio.Task[str] | None = None

    async def get(self, client: Client) -> str:
        """The token; raises Unavailable while there is none to be had, Stopped where the credentials are refused."""
        if self._value and time.monotonic() < self._good_until:
            return self._value
        if self._getting is None:  # all that are under way wait for the same answer
            self._getting = asyncio.create_task(self._get(client))
            self._getting.add_done_callback(self._got)
        return await asyncio.shield(self._getting)

    def refused(self, value: str) -> None:
        """The far side did not take this one; forget it, unless another has come since."""
        if value == self._value:
            self._value = ""

    async def close(self) -> None:
        """Let go of a request under way; the token stays good for the next connection."""
        if self._getting is not None:
            self._getting.cancel()
            await asyncio.wait({self._getting})

    def _got(self, task: asyncio.Task[str]) -> None:
        self._getting = None
        if not task.cancelled():
            task.exception()  # those who waited for it may be gone

    async def _get(self, client: Client) -> str:
        headers, form = self._request()
        body = urlencode(form).encode()
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                answer = await client.post(self._oauth2.token_url, headers, body)
        except TimeoutError as error:
            raise Unavailable(f"token from {self._origin}: no answer within {ANSWER_WITHIN:g} s") from error
        except Unavailable as error:
            raise Unavailable(f"token from {error}") from error
        self._check(answer)
        try:
            granted = _granted.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"token from {self._origin}: its answer holds none: {self._shown(answer)}") from error
        if granted.token_type.lower() != "bearer" or not VALUE.fullmatch(granted.access_token):
            raise Stopped(f"token from {self._origin}: it is none that can be sent as Bearer")
        self._value = granted.access_token
        self._good_until = time.monotonic() + _useful(granted.expires_in)
        return self._value

    def _request(self) -> tuple[dict[str, str], dict[str, str]]:
        wanted = self._oauth2
        client_id, secret = wanted.client_id, wanted.client_secret.reveal()
        form = {"grant_type": "client_credentials", "scope": wanted.scope, "audience": wanted.audience}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if wanted.client_auth == "body":
            form |= {"client_id": client_id, "client_secret": secret}
        else:
            headers["Authorization"] = f"Basic {encoded(quote_plus(client_id), quote_plus(secret))}"
        return headers, {name: value for name, value in form.items() if value}

    def _check(self, answer: Answer) -> None:
        """Nothing of this is about an event: the output waits, or stops where it was told no."""
        try:
            outcome(answer.status, answer.headers, self._shown(answer))
        except (Unavailable, Retry) as error:
            if answer.status != 404:
                raise Unavailable(f"token from {self._origin}: {error}", error.after) from error
            raise Stopped(f"token from {self._origin}: {error}") from error
        except (Stopped, Rejected) as error:
            raise Stopped(f"token from {self._origin}: {error}") from error

    def _shown(self, answer: Answer) -> str:
        return shown(answer.body, self._options, self._oauth2.token_url, (self._value,))


def _useful(expires_in: float | None) -> float:
    """Seconds that a token is used; one whose life is not told, until it is refused."""
    if expires_in is None:
        return float("inf")
    return max(expires_in - RENEW_BEFORE, 0.9 * expires_in if expires_in < 10 * RENEW_BEFORE else 0.0)
