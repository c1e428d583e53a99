"""A server that gives tokens for client credentials, and the service behind it that wants one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge import Secret
from bridge_webhook.options import OAuth2
from tests.plugins.webhook.receivers import Receiver


class Identity(Receiver):
    """`POST /token` gives `token-1`, `token-2`, ...; any other path takes the last one given, and no other."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, str]] = []
        """Requests for tokens: the form, and its Authorization."""
        self.grant: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        self.refusal: Response | None = None
        """Said instead of a token."""
        self.delay = 0.0
        self.good = ""
        """The token that is taken; "" for none."""

    def oauth2(self, **changes: Any) -> OAuth2:
        return OAuth2(
            **{
                "token_url": self.url("/token"),
                "client_id": "bridge",
                "client_secret": Secret("hush/hush"),
                **changes,
            }
        )

    async def take(self, request: Request) -> Response:
        if request.url.path != "/token":
            good = bool(self.good) and request.headers.get("authorization") == f"Bearer {self.good}"
            answer = await super().take(request)
            said = f"{request.headers.get('authorization')} is not good"
            return answer if good else Response(said, 401)
        form = {name: value for name, (value,) in parse_qs((await request.body()).decode()).items()}
        self.asked.append(form | {"authorization": request.headers.get("authorization", "")})
        await asyncio.sleep(self.delay)
        if self.refusal is not None:
            return self.refusal
        self.good = f"token-{len(self.asked)}"
        return JSONResponse({"access_token": self.good, **self.grant})


@contextmanager
def identity() -> Iterator[Identity]:
    """One that serves."""
    made = Identity()
    with made.serving():
        yield made
