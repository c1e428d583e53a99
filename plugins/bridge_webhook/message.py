"""What is posted for one delivery: its headers, and the document with pictures in it or beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
import pybase64
from msgspec import Raw

from bridge import Delivery, Event, escape

CLOUDEVENT = "application/cloudevents+json"

_VISIBLE = "!#$&'()*+,/:;<=>?@[\\]^`{|}"
_object = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


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


def inline(document: bytes, pictures: Mapping[int, bytes], annotated: Mapping[int, bytes] | None = None) -> bytes:
    """The document with `data_base64` in each picture's entry, every other byte as it was.

    `pictures`: the bytes by the picture's place in the event; a lost one is left out. `annotated`: likewise the copies
    that were drawn on, as `annotated_base64`.
    """
    envelope = _object.decode(document)
    data = _object.decode(envelope["data"])
    entries = [_object.decode(entry) for entry in _list.decode(data["pictures"])]
    for place, picture in pictures.items():
        entries[place]["data_base64"] = Raw(b'"' + pybase64.b64encode(picture) + b'"')
    for place, picture in (annotated or {}).items():
        entries[place]["annotated_base64"] = Raw(b'"' + pybase64.b64encode(picture) + b'"')
    data["pictures"] = Raw(msgspec.json.encode(entries))
    envelope["data"] = Raw(msgspec.json.encode(data))
    return msgspec.json.encode(envelope)


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
    for data in (annotated or {}).values():
        pieces += [_part(boundary, 'name="annotated"; filename="annotated.jpg"', "image/jpeg"), data]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _part(boundary: str, disposition: str, media_type: str) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n"
    return f"\r\n{head}".encode()
