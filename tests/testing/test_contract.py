"""The contract finds each fault that was planted in an output, and none in a sound one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import json

from bridge import Output
from bridge.testing.contract import Arrived, HttpService, OutputContract
from tests.testing import outputs

pytestmark = pytest.mark.own_words


class Posting(OutputContract):
    """How the outputs of these tests are tried."""

    output: ClassVar[type[Output]] = outputs.Sound
    wrong: ClassVar[Mapping[str, Any]] = {"gate": 0}
    deliveries = 900

    def reach(self, folder: Path) -> Mapping[str, Any]:
        self.service = HttpService()
        return {"url": self.service.url, "key": "s3cret!"}

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
            message = json.decode(request.body, type=outputs.Message)
            yield Arrived(id=message.id, document=message.document.encode(), pictures=tuple(message.pictures))


class TestSound(Posting):
    """All promises of an async output."""


class TestPlain(Posting):
    """All promises of a plain one."""

    output = outputs.Plain
