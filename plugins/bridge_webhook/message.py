"""What is posted for one delivery: its headers, and the pictures beside the document."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

from bridge import Delivery, Event, escape

CLOUDEVENT = "application/cloudevents+json"

_VISIBLE = "!#$&'()*+,/:;<=>?@[\\]^`{|}"


def delivery_headers(delivery: Delivery, *, picture_lost: bool) -> dict[str, str]:
    """What belongs to this delivery and not to the document."""
    event = delivery.event
    headers = {
        "X-Boxbridge-Id": event.id,
        "X-Boxbridge-Kind": quote(event.kind, safe=_VISIBLE),
        "X-Boxbridge-Attempt": str(delivery.attempt),
        "X-Boxbridge-Late": str(delivery.late).lower(),
        "X-Boxbridge-Replayed": str(delivery.replayed).lower(),
    }
    further = {
        "X-Boxbridge-Skipped": str(delivery.skipped) if delivery.skipped else "",
        "X-Boxbridge-Test": "true" if delivery.test else "",
        "X-Boxbridge-Picture": "lost" if picture_lost else "",
    }
    return headers | {name: value for name, value in further.items() if value}


def multipart(
    event: Event, media_type: str, body: bytes, pictures: Mapping[int, bytes], annotated: Mapping[int, bytes]
) -> tuple[str, bytes]:
    """Content type and body of a form: the part `event`, a part for each picture, named by its role; `annotated`."""
    boundary = f"boxbridge-{os.urandom(16).hex()}"
    pieces = [_part(boundary, 'name="event"', media_type), body]
    for place, data in pictures.items():
        picture = event.pictures[place]
        role = escape(picture.role).replace('"', "%22")
        filename = f"{role}-{place}.{picture.extension}"
        pieces += [_part(boundary, f'name="{role}"; filename="{filename}"', picture.media_type), data]
    for data in annotated.values():
        pieces += [_part(boundary, 'name="annotated"; filename="annotated.jpg"', "image/jpeg"), data]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _part(boundary: str, disposition: str, media_type: str) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n"
    return f"\r\n{head}".encode()
