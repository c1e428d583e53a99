"""The webhook output: posts each event; the status of the answer alone decides what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bridge import Delivery, Event, Output, PictureLost, Stopped, Unavailable, outcome
from bridge_webhook.message import CLOUDEVENT, delivery_headers, inline, multipart
from bridge_webhook.options import WebhookOptions
from bridge_webhook.signature import signed_headers, signing_key
from bridge_webhook.trust import trust

if TYPE_CHECKING:
    from bridge_webhook.client import Client

SHOWN = 500
"""Characters of an answer that a reason shows."""
_SHORTEST_HIDDEN = 6
"""Characters of a part of the URL that may be a secret; shorter ones would blank ordinary words."""


class Webhook(Output):
    """Posts every event as a CloudEvent, signed where there is a secret."""

    type = "webhook"
    Options = WebhookOptions
    options: WebhookOptions
    _client: Client

    async def open(self) -> str:
        """Make ready to connect; nothing is sent. Raises Stopped where the certificates can't be read."""
        from bridge_webhook.client import Client  # noqa: PLC0415 - httpx2 costs 8 MB, which only a webhook should

        tls = await self._tls()
        self._client = Client(self.options.url, self.origin, tls, float(self.options.connect_timeout))
        return f"{self.origin}, {'signed' if self.options.secret else 'not signed'}"

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def check(self) -> str:
        """Resolve the name, connect, agree on TLS, and say how long that took; nothing is posted."""
        from bridge_webhook.client import reason  # noqa: PLC0415 - as above

        parts = urlsplit(self.options.url)
        tls = await self._tls() if parts.scheme == "https" else None
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                port = parts.port or (443 if tls else 80)
                _, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
        except TimeoutError as error:
            raise Unavailable(f"{self.origin}: no connection within {self.options.connect_timeout}") from error
        except OSError as error:
            raise Unavailable(f"{self.origin}: {reason(error)}") from error
        took = time.perf_counter() - began
        writer.transport.abort()  # nothing was sent: there is nothing to take leave of
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return f"{self.origin} reachable in {took * 1000:.0f} ms"

    async def deliver(self, delivery: Delivery) -> None:
        """Post one event; returns when the far side has answered 2xx."""
        headers, body = await self._request(delivery)
        answer = await self._client.post(headers, body)
        outcome(answer.status, answer.headers, self._shown(answer.beginning))

    def where(self, delivery: Delivery) -> str:
        """Whom it was posted to, and the header to look for there."""
        return f"{self.origin}, X-Boxbridge-Id: {delivery.event.id}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL. Its path and query may hold secrets and are never shown."""
        parts = urlsplit(self.options.url)
        return f"{parts.scheme}://{parts.netloc}"

    async def _request(self, delivery: Delivery) -> tuple[dict[str, str], bytes]:
        event, options = delivery.event, self.options
        pictures = {} if options.picture == "none" else await self._pictures(event)
        lost = options.picture != "none" and len(pictures) < len(event.pictures)
        content_type, body = CLOUDEVENT, delivery.document
        if options.picture == "inline":
            body = inline(body, pictures, await self._annotated(event))
        elif options.picture == "multipart":
            content_type, body = multipart(event, body, pictures, await self._annotated(event))
        headers = {
            "User-Agent": f"boxbridge/{self.version}".rstrip("/"),
            "Accept-Encoding": "identity",
            "Content-Type": content_type,
            **{name: value.reveal() for name, value in options.headers.items()},
            **delivery_headers(delivery, picture_lost=lost),
        }
        if options.secret is not None:
            headers |= signed_headers(signing_key(options.secret), event.id, int(time.time()), body)
        return headers, body

    async def _pictures(self, event: Event) -> dict[int, bytes]:
        """The pictures by their place in the event, without those that are lost."""
        pictures: dict[int, bytes] = {}
        for place, picture in enumerate(event.pictures):
            try:
                pictures[place] = await picture.read()
            except PictureLost as error:
                self.log.warning("sent without a picture", event_id=event.id, role=picture.role, reason=str(error))
        return pictures

    async def _annotated(self, event: Event) -> dict[int, bytes]:
        """The annotated copy of the scene by the scene's place, where it is wanted and can be had."""
        if not self.options.annotated or event.scene is None:
            return {}
        try:
            drawn = await self.annotated(event)
        except PictureLost:  # said where the scene itself was read
            drawn = None
        return {} if drawn is None else {event.pictures.index(event.scene): drawn}

    async def _tls(self) -> ssl.SSLContext:
        try:
            return await asyncio.to_thread(trust, self.options.ca, insecure=self.options.insecure)
        except OSError as error:  # ssl.SSLError is one
            raise Stopped(f"ca file {self.options.ca} can't be used: {error.strerror or error}") from error

    def _shown(self, body: bytes) -> str:
        """The beginning of an answer on one line, without the secrets that it may echo, the URL's path included."""
        text = body.decode(errors="replace")
        parts = urlsplit(self.options.url)
        hidden = [part for part in (*parts.path.split("/"), parts.query) if len(part) >= _SHORTEST_HIDDEN]
        for part in sorted(hidden, key=len, reverse=True):
            text = text.replace(part, "<url>").replace(unquote(part), "<url>")
        for secret in filter(None, [self.options.secret, *self.options.headers.values()]):
            value = secret.reveal()
            for told in (value, *value.split()[-1:]):  # also without the "Bearer" before it
                text = text.replace(told, "<secret>")
        line = " ".join(text.split())
        return "".join(character for character in line[:SHOWN] if character.isprintable())
