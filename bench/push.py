"""The pushes of the load: one template, in which a push's number is patched as its msg_id and into its picture."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bridge.testing import sample_push

Way = Literal["http", "websocket", "closing"]
"""As requests of a kept connection, as messages of a WebSocket, or as requests that have a connection each."""

_DIGITS = 12
_ZEROS = b"0" * _DIGITS
_MSG_ID = "b0c5be00-0000-4000-8000-000000000000"
_SERIAL = b"DMB3160PWC21J00001"
# Twelve digits are three base64 groups: written into the text they are nine bytes of a comment segment of the JPEG,
# which begins at the first group's border, directly after the picture's first two bytes.
_COMMENT = b"\xff\xfe" + (2 + 9).to_bytes(2, "big") + base64.b64decode(_ZEROS)
NUMBER_AT = slice(6, 15)
"""Where a picture's bytes hold its number."""


def digits(number: int) -> bytes:
    """Write a number as it stands in a push."""
    return b"%0*d" % (_DIGITS, number)


def number_in(picture: bytes) -> int:
    """Read a picture's number; raises ValueError where it has none."""
    return int(base64.b64encode(picture[NUMBER_AT]))


@dataclass(frozen=True)
class Template:
    """One push as bytes, and where its number stands."""

    body: bytes
    picture: bytes
    """The JPEG of push 0."""
    places: tuple[int, ...]
    way: Way = "http"

    @cached_property
    def picture_end(self) -> bytes:
        """What follows the number in the JPEG: the same in all."""
        return self.picture[NUMBER_AT.stop :]

    def of_box(self, box: int, port: int) -> Pushes:
        """Make the pushes of one box: this template as a request or a message, under a serial number of its own."""
        body = self.body.replace(_SERIAL, b"DMB3160PWC21J%05d" % box)
        head = _head_of_message(len(body)) if self.way == "websocket" else _head_of_request(len(body), port, self.way)
        return Pushes(bytearray(head + body), [len(head) + place for place in self.places])


def _head_of_request(length: int, port: int, way: Way) -> bytes:
    return (
        f"POST /dataPush/DataReportCB HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Connection: {'close' if way == 'closing' else 'keep-alive'}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _head_of_message(length: int) -> bytes:
    """A text frame's, masked with zeros, so that the number can be patched; the server unmasks it all the same."""
    size = b"\xfe" + length.to_bytes(2, "big") if length < 65536 else b"\xff" + length.to_bytes(8, "big")
    return b"\x81" + size + bytes(4)


@dataclass
class Pushes:
    """The request or message of one box, patched in place: a push must be answered before the next is asked for."""

    request: bytearray
    places: list[int]

    def numbered(self, number: int) -> bytearray:
        """Return the request as push `number`."""
        text = digits(number)
        for place in self.places:
            self.request[place : place + _DIGITS] = text
        return self.request


def make_template(picture: bytes, way: Way = "http") -> Template:
    """Make a push, freshly dated, that carries this JPEG with room for a number in it; `way`: how it is pushed."""
    picture = picture[:2] + _COMMENT + picture[2:]
    body = sample_push(msg_id=_MSG_ID, picture=picture)
    # Fifteen bytes are whole groups and end with the comment.
    in_picture = body.index(base64.b64encode(picture[:15])) + 8
    return Template(body, picture, (in_picture, *_places(body, _MSG_ID.encode())), way)


def _places(body: bytes, msg_id: bytes) -> tuple[int, ...]:
    places = []
    place = body.find(msg_id)
    while place >= 0:
        places.append(place + len(msg_id) - _DIGITS)
        place = body.find(msg_id, place + 1)
    return tuple(places)
