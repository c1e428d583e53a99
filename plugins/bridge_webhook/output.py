"""The webhook output: posts each event; the status of the answer alone decides what became of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bridge import Delivery, Event, Output, OutputContext, PictureLost, outcome
from bridge_webhook.basic import encoded
from bridge_webhook.blotting import shown
from bridge_webhook.message import CLOUDEVENT, delivery_headers, multipart
from bridge_webhook.oauth2 import Token
from bridge_webhook.options import VALUE, WebhookOptions
from bridge_webhook.signature import signed_headers, signing_key
from bridge_webhook.target import origin_of, target_of
from bridge_webhook.trust import trust

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from bridge_webhook.client import Answer, Client


class Webhook(Output):
    """Posts every event as a CloudEvent, as the device's own request, or as a template has it."""

    type = "webhook"
    Options = WebhookOptions
    options: WebhookOptions
    _client: Client

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        options, login = self.options, self.options.basic
        self._keys = [signing_key(secret) for secret in options.secrets]
        self._token = Token(options, options.oauth2) if options.oauth2 else None
        self._origin = origin_of(options.url)
        self._headers = {
            "User-Agent": f"boxbridge/{self.version}".rstrip("/"),
            "Accept-Encoding": "identity",
            **({"Authorization": f"Bearer {options.bearer.reveal()}"} if options.bearer else {}),
            **({"Authorization": f"Basic {encoded(login.username, login.password.reveal())}"} if login else {}),
            **{name: value.reveal() for name, value in options.headers.items()},
        }
        if options.template:
            from bridge_webhook.template import Template  # noqa: PLC0415 - only who uses it should load Jinja2

            self._template = Template(options.template, self.timezone)

    async def open(self) -> str:
        """Make ready to connect; nothing is sent. Raises Stopped where the certificates can't be read."""
        self._client = await self._made_ready()
        return f"{self._origin}, {'signed' if self._keys else 'not signed'}"

    async def close(self) -> None:
        """Close all connections."""
        if self._token:
            await self._token.close()
        await self._client.close()

    async def check(self) -> str:
        """Resolve the name, connect, agree on TLS, get a token where one is needed; nothing is posted."""
        client = await self._made_ready()
        try:
            found = await client.reach(self.options.url)
            if self._token:
                await self._token.get(client)
                found += ", token granted"
        finally:
            if self._token:
                await self._token.close()
            await client.close()
        return found

    async def deliver(self, delivery: Delivery) -> str:
        """Post one event; returns when the far side has answered 2xx, with the pictures that it did not get."""
        url = target_of(self.options.url, delivery.event)
        headers, body, less = await self._request(delivery)
        tokens: tuple[str, ...] = ()
        if self._token is None:
            answer = await self._client.post(url, headers, body)
        else:
            answer, tokens = await self._with_token(self._token, url, headers, body)
        outcome(answer.status, answer.headers, shown(answer.body, self.options, url, tokens))
        return "; ".join(less)

    def where(self, delivery: Delivery) -> str:
        """Whom it was posted to, and the header to look for there."""
        return f"{self._origin}, X-Boxbridge-Id: {delivery.event.id}"

    async def _made_ready(self) -> Client:
        client, tls = await asyncio.to_thread(self._loaded)
        return client(self.name, self.options, tls)

    def _loaded(self) -> tuple[Callable[..., Client], ssl.SSLContext]:
        """The library and the certificates: some tenths of a second, not for the event loop."""
        from bridge_webhook.client import Client  # noqa: PLC0415 - costs 8 MB, which only a webhook should

        options = self.options
        return Client, trust(options.ca, insecure=options.insecure, cert=options.cert, key=options.key)

    async def _with_token(
        self, token: Token, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[Answer, tuple[str, ...]]:
        """Post with the token, and once more with a fresh one where that is refused; returns the tokens too."""
        first = await token.get(self._client)
        answer = await self._client.post(url, headers | {"Authorization": f"Bearer {first}"}, body)
        if answer.status != 401:
            return answer, (first,)
        token.refused(first)
        second = await token.get(self._client)
        answer = await self._client.post(url, headers | {"Authorization": f"Bearer {second}"}, body)
        return answer, (first, second)

    async def _request(self, delivery: Delivery) -> tuple[dict[str, str], bytes, list[str]]:
        """Headers, body, and what of the event is not in it."""
        event, options = delivery.event, self.options
        pictures, less = (None, []) if options.picture in ("none", "url") else await self._pictures(event)
        annotated = await self._annotated(event)
        content_type, body = await self._body(delivery, pictures if options.picture == "inline" else None, annotated)
        if pictures is not None and options.picture == "multipart":
            content_type, body = multipart(event, content_type, body, pictures, annotated)
        headers = {**self._headers, "Content-Type": content_type, **delivery_headers(delivery, picture_lost=bool(less))}
        if self._keys:
            headers |= signed_headers(self._keys, event.id, int(time.time()), body)
        return headers, body, less

    async def _body(
        self, delivery: Delivery, pictures: dict[int, bytes] | None, annotated: dict[int, bytes]
    ) -> tuple[str, bytes]:
        """Content type and content, with the pictures in it that it is given."""
        if self.options.format == "original":
            came_as = delivery.original.content_type
            return came_as if VALUE.fullmatch(came_as) else "application/octet-stream", await delivery.original.read()
        if self.options.format == "template":
            return self.options.content_type, self._template.render(delivery, pictures, annotated)
        return CLOUDEVENT, delivery.with_links() if pictures is None else delivery.with_pictures(pictures, annotated)

    async def _pictures(self, event: Event) -> tuple[dict[int, bytes], list[str]]:
        """The pictures by their place in the event, and which are not among them because they are lost."""
        pictures: dict[int, bytes] = {}
        less: list[str] = []
        for place, picture in enumerate(event.pictures):
            try:
                pictures[place] = await picture.read()
            except PictureLost as error:
                less.append(f"{picture.role}: left out, {error}")
        return pictures, less

    async def _annotated(self, event: Event) -> dict[int, bytes]:
        """The annotated copy of the scene by the scene's place, where it is wanted and can be had."""
        if not self.options.annotated or event.scene is None:
            return {}
        try:
            drawn = await self.annotated(event)
        except PictureLost:  # said where the scene itself was read
            drawn = None
        return {} if drawn is None else {event.pictures.index(event.scene): drawn}
