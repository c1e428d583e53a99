"""Fixtures over the MQTT brokers that are on this machine, and the brokers themselves, from `bridge.testing.brokers`.

`broker` runs a test over every broker that is there; `mosquitto` gives the one whose settings a test chooses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.testing.brokers import (
    BROKERS,
    LARGEST,
    Broker,
    IotCore,
    Mosquitto,
    Nats,
    Received,
    Subscriber,
)

__all__ = [
    "BROKERS",
    "LARGEST",
    "Broker",
    "IotCore",
    "Mosquitto",
    "Nats",
    "Received",
    "Subscriber",
    "broker",
    "mosquitto",
    "run",
]


def run(kind: type[Broker], folder: Path, **settings: str) -> Iterator[Any]:
    """Body of a broker fixture: skips the test where the broker is not there."""
    if reason := kind.missing():
        pytest.skip(reason)
    with kind(folder / kind.name, **settings) as running:
        yield running


@pytest.fixture(params=BROKERS, ids=lambda kind: kind.name)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A running broker, fresh for the test; the test runs once with each that is there."""
    yield from run(request.param, tmp_path)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto with default settings."""
    yield from run(Mosquitto, tmp_path)
