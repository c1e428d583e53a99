"""How acknowledgements are read: in every form that MQTT has for them, however the network cuts them into pieces."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, tuples
from paho.mqtt.client import MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from bridge_mqtt.client import LeanClient

FORMS = {
    "without a reason": (b"", True),
    "success": (b"\x00", True),
    "nobody subscribed": (b"\x10", True),
    "nobody subscribed, no properties": (b"\x10\x00", True),
    "success, a reason in words": (b"\x00\x06\x1f\x00\x03yes", True),
    "quota exceeded": (b"\x97", False),
    "not authorized, a reason in words": (b"\x87\x05\x1f\x00\x02no", False),
}


def acknowledgement(mid: int, told: bytes) -> bytes:
    return bytes([0x40, 2 + len(told)]) + mid.to_bytes(2, "big") + told


@given(lists(tuples(integers(1, 65535), sampled_from(sorted(FORMS))), min_size=1), lists(integers(1, 9), min_size=1))
def test_each_is_read_whatever_its_form_and_however_it_is_cut(said: list[tuple[int, str]], cuts: list[int]) -> None:
    read: list[tuple[int, bool]] = []
    client = LeanClient(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_acknowledged = lambda mid, refused: read.append((mid, refused is None))
    stream = b"".join(acknowledgement(mid, FORMS[form][0]) for mid, form in said)
    ours, brokers = socket.socketpair()
    with ours, brokers:
        ours.setblocking(False)
        client._sock = ours  # of a connection that stands
        for place, size in _pieces(len(stream), cuts):
            brokers.sendall(stream[place : place + size])
            while client.read_ahead or not _empty(ours):
                client.loop_read()
        client._sock = None
    assert read == [(mid, FORMS[form][1]) for mid, form in said]


@pytest.mark.parametrize("told", [b"\x55", b"\x55\x00"])
def test_what_is_no_acknowledgement_of_a_known_reason_breaks_the_connection(told: bytes) -> None:
    """Given a reason that MQTT does not have: nothing counts as acknowledged by it."""
    read: list[int] = []
    client = LeanClient(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_acknowledged = lambda mid, _: read.append(mid)
    ours, brokers = socket.socketpair()
    with ours, brokers:
        ours.setblocking(False)
        client._sock = ours
        brokers.sendall(acknowledgement(7, told))
        assert client.loop_read() != 0
        client._sock = None
    assert not read


def _pieces(length: int, cuts: list[int]) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    place = 0
    while place < length:
        size = cuts[len(pieces) % len(cuts)]
        pieces.append((place, size))
        place += size
    return pieces


def _empty(sock: socket.socket) -> bool:
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
