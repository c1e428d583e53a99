"""The webhook keeps the contract of outputs."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import json

from bridge.testing.contract import Arrived, HttpService, OutputContract
from bridge_webhook.output import Webhook


class TestWebhook(OutputContract):
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

    def reach(self, folder: Path) -> Mapping[str, Any]:
        self.service = HttpService()
        keys = {"secret": "whsec_c2VjcmV0IGtleSBvZiAyNCBieXRlcw==", "bearer": "b3arer-t0ken", "picture": "inline"}
        return {"url": f"{self.service.url}/hooks/alarm", **keys}

    def cut(self) -> None:
        self.service.stop()

    def mend(self) -> None:
        self.service.start()

    def freeze(self) -> None:
        self.service.freeze()

    def thaw(self) -> None:
        self.service.thaw()

    def refuse(self) -> None:
        self.service.status = 422

    def arrived(self) -> Iterable[Arrived]:
        for request in tuple(self.service.requests):
            document = json.decode(request.body)
            pictures = [entry.pop("data_base64", "") for entry in document["data"]["pictures"]]
            yield Arrived(
                id=request.headers["x-boxbridge-id"],
                document=json.encode(document),
                pictures=tuple(map(base64.b64decode, pictures)),
            )
