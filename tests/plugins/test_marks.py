"""What belongs to one delivery travels beside the document, in each output that has a beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge_webhook.message import delivery_headers
from tests.brokers import Mosquitto, Subscriber
from tests.plugins import deliveries
from tests.plugins.mqtt.sending import delivery_of, event_with, opened, output_to

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The daemon's own event loop: paho hangs on its file descriptors."""
    return "asyncio", {"use_uvloop": True}


async def test_mqtt_tells_what_was_skipped_and_marks_a_sample(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(mosquitto, "boxbridge/plant-a/gate-3/#") as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path)) as output:
            await output.deliver(delivery_of(event_with(), skipped=14))
            await output.deliver(delivery_of(event_with(b"sample", device="boxbridge-test"), test=True))
            await subscriber.until(lambda got: len(got.messages) >= 2)
            with Subscriber(mosquitto, "boxbridge/plant-a/+/1/picture") as newcomer:
                await newcomer.until(lambda got: got.messages)
    assert subscriber.messages[1].properties["skipped"] == "14"
    assert "test" not in subscriber.messages[1].properties
    assert [message.payload for message in newcomer.messages] == [b"scene"]  # a sample is not kept for anybody


def test_a_webhook_tells_what_was_skipped_and_marks_a_sample() -> None:
    delivery = deliveries.delivery_of()
    plain, marked = (
        delivery_headers(one, picture_lost=False) for one in (delivery, replace(delivery, skipped=14, test=True))
    )
    assert marked.items() - plain.items() == {("X-Boxbridge-Skipped", "14"), ("X-Boxbridge-Test", "true")}
    assert plain.items() <= marked.items()
