"""The subscriber: takes everything from the broker at QoS 1 and notes in the ledger what arrived whole.

It speaks just enough MQTT 3.1.1, over one blocking socket, to cost less than any client library: it must not be
what the benchmark measures. It runs in a process of its own.
"""

from __future__ import annotations

import re
import socket
import time

from bench.ledger import Ledger
from bench.push import NUMBER_AT, Template, number_in

_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench"
_SUBSCRIBE = b"\x82\x06\x00\x01\x00\x01#\x01"
_PUBLISH, _SUBACK = 3, 9
_NUMBER = re.compile(rb'"msg_id": ?"b0c5be00-0000-4000-8000-(\d{12})"')
_BUFFER_BYTES = 8 << 20
_ROOM_BYTES = 1 << 20
"""What must be free for the next read; where there is less, what is left of the last one moves to the beginning."""


def subscribe(template: Template, ledger: Ledger, port: int) -> None:
    """Take what is published until the process is ended. The main function of a process."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(_CONNECT + _SUBSCRIBE)
    buffer = bytearray(_BUFFER_BYTES)
    view = memoryview(buffer)
    start = end = 0
    while received := connection.recv_into(view[end:]):
        end += received
        acknowledgements = bytearray()
        while (packet := _packet(view, start, end)) is not None:
            kind, body, start = packet
            if kind >> 4 == _PUBLISH:
                acknowledgements += _take(kind, body, template, ledger)
            elif kind >> 4 == _SUBACK:
                ledger.subscribed.value = 1
        if acknowledgements:
            connection.sendall(acknowledgements)
        if end - start == 0 or len(buffer) - end < _ROOM_BYTES:
            # A memory view slice of itself overlaps: move through a copy of what is left, at most one packet.
            buffer[: end - start] = bytes(view[start:end])
            start, end = 0, end - start


def _packet(view: memoryview, start: int, end: int) -> tuple[int, memoryview, int] | None:
    """Cut one packet out: its first byte, its body, where the next one begins; None while it is not whole."""
    length = shift = 0
    for place in range(start + 1, min(start + 5, end)):
        length |= (view[place] & 127) << shift
        if view[place] < 128:
            stop = place + 1 + length
            return (view[start], view[place + 1 : stop], stop) if stop <= end else None
        shift += 7
    return None


def _take(kind: int, body: memoryview, template: Template, ledger: Ledger) -> bytes:
    """Note one message; return its acknowledgement."""
    now = time.monotonic()
    topic_end = 2 + int.from_bytes(body[:2], "big")
    topic = bytes(body[2:topic_end])
    quality = kind >> 1 & 3
    payload = body[topic_end + (2 if quality else 0) :]
    if topic.endswith(b"/event"):
        found = _NUMBER.search(payload)
        if found:
            ledger.note_event(int(found[1]), now)
    elif topic.endswith(b"/picture"):
        _take_picture(payload, now, template, ledger)
    return b"\x40\x02" + bytes(body[topic_end : topic_end + 2]) if quality else b""


def _take_picture(picture: memoryview, now: float, template: Template, ledger: Ledger) -> None:
    """Note a picture that is, byte for byte, what was pushed: the template's but for the number. Others are lost."""
    start, stop = NUMBER_AT.start, NUMBER_AT.stop
    if picture[:start] == template.picture[:start] and bytes(picture[stop:]) == template.picture_end:
        ledger.note_picture(number_in(bytes(picture[:stop])), now)
