"""Deliveries as an output gets them, made of sample pushes, with no journal behind them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, Final

from msgspec import structs

from bridge.event import encode_document, new_id, utc_now
from bridge.output import Delivery, Original
from bridge.protocols.skill import PATH
from bridge.testing.drawing import draw_dot
from bridge.testing.sample import sample_event, sample_push

_SHUFFLED: Final = 389
"""Has no divisor in common with 1,000, so its multiples are all of them, in disorder."""


def sample_delivery(*, attempt: int = 1, late: bool = False, site: str = "plant-a", **push: Any) -> Delivery:
    """One attempt to deliver the event of a sample push; the further arguments are those of `sample_push`."""
    body = sample_push(**push)
    event = sample_event(site=site, body=body)
    document = encode_document(event)
    return Delivery(
        event=event,
        document=document,
        original=Original("POST", PATH, "", "application/json", (body,)),
        attempt=attempt,
        late=late,
        size=len(document) + sum(picture.size for picture in event.pictures),
    )


def another(delivery: Delivery) -> Delivery:
    """The same with an id of its own, for very many of them."""
    event = delivery.event.with_(id=new_id(utc_now()))
    document = delivery.document.replace(delivery.event.id.encode(), event.id.encode())
    return structs.replace(delivery, event=event, document=document)


def picture_of(size: int) -> bytes:
    """A picture of so many bytes, no two alike."""
    dot = draw_dot()
    return dot + os.urandom(size - len(dot))


def in_disorder(count: int) -> list[Delivery]:
    """Small deliveries of several devices and channels, that happened in another order than they are delivered in."""
    now = utc_now()
    return [
        sample_delivery(
            small=True,
            device=f"gate-{number % 7}",
            channel=number % 3,
            when=now - timedelta(milliseconds=number * _SHUFFLED % count),
        )
        for number in range(count)
    ]
