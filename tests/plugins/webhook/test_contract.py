"""The webhook keeps the contract of outputs."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import json

from bridge.testing.contract import Arrived, HttpOutputContract
from bridge_webhook.output import Webhook


class TestWebhook(HttpOutputContract):
    """Pictures are inside the document, as base64."""

    output = Webhook
    wrong = (
        ("url", "ftp://127.0.0.1/"),
        ("secret", "whsec_!"),
        ("format", "xml"),
        ("picture", "beside"),
        ("ca", "/nowhere"),
    )
    deliveries = 1500

    def table(self, url: str) -> Mapping[str, Any]:
        keys = {"secret": "whsec_c2VjcmV0IGtleSBvZiAyNCBieXRlcw==", "bearer": "b3arer-t0ken", "picture": "inline"}
        return {"url": f"{url}/hooks/alarm", **keys}

    def arrived(self) -> Iterable[Arrived]:
        for request in tuple(self.service.requests):
            document = json.decode(request.body)
            pictures = [entry.pop("data_base64", "") for entry in document["data"]["pictures"]]
            yield Arrived(
                id=request.headers["x-boxbridge-id"],
                document=json.encode(document),
                pictures=tuple(map(base64.b64decode, pictures)),
            )
