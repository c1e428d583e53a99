"""Nothing is left of a connection that has ended: who connects again and again fills no memory."""

from __future__ import annotations

import socket
import ssl
from functools import partial
from pathlib import Path

import pytest
from websockets.frames import Opcode

from bridge.config.certificate import tls_context
from bridge.receiver import conversation, guard, pace, tls
from bridge.receiver.guard import GuardedProtocol
from bridge.receiver.seats import Seats
from bridge.receiver.tls import Secured
from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.certificates import self_signed
from tests.receiver.doors import HANDSHAKE, door_to, request
from tests.receiver.test_guard import FLOODS, SLOW
from tests.receiver.test_websocket import frame
from tests.remains import Ending, hangs_up, is_ended, left_of, resets, resets_when_answered

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of the daemon: others hold connections in other ways."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are short."""
    for module, name in (
        (guard, "HEADER_SECONDS"),
        (pace, "SPAN_SECONDS"),
        (conversation, "PING_SECONDS"),
        (conversation, "GOODBYE_SECONDS"),
        (tls, "AGREE_SECONDS"),
        (tls, "GOODBYE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.2)


_MAX_BODY = 10_000
_PUSH = sample_push(small=True)
_KEPT_ALIVE = request(_PUSH).replace(b"Connection: close\r\n", b"")
_MESSAGE = HANDSHAKE + frame(Opcode.TEXT, _PUSH)

HTTP = SLOW | {
    "one endless header": FLOODS["one endless header"],
    "no HTTP": b"no HTTP\r\n\r\n",
    "no HTTP within a body": request(b"1\r\nx\r\nzz", "Transfer-Encoding: chunked"),
    "a push": request(_PUSH),
    "two pushes": _KEPT_ALIVE + request(_PUSH),
    "an unknown push": request(b"?"),
    "a look": request(b"", method="GET"),
    "a body that is too large": request(b"x" * 2 * _MAX_BODY),
    "a body without end": request(b"x" * 2 * _MAX_BODY, length=3 * _MAX_BODY),
}
WEBSOCKET = {
    "silent": HANDSHAKE,
    "half a message": _MESSAGE[:-10],
    "a message": _MESSAGE,
    "a message and a goodbye": _MESSAGE + frame(Opcode.CLOSE, b""),
    "a goodbye that is none": HANDSHAKE + frame(Opcode.CLOSE, b"\0"),
    "no frame": HANDSHAKE + b"\x8f\x80\0\0\0\0",
    "a message that is too large": HANDSHAKE + frame(Opcode.TEXT, b"x" * 2 * _MAX_BODY),
    "no key": HANDSHAKE.replace(b"dGhl", b"d:hl"),
    "another version": HANDSHAKE.replace(b"13", b"12"),
}


def _named(sent: dict[str, bytes], kind: str) -> list[object]:
    return [pytest.param(data, id=f"{kind}, {name}") for name, data in sent.items()]


@pytest.mark.parametrize("sent", _named(HTTP, "http") + _named(WEBSOCKET, "websocket"))
async def test_nothing_is_left_of_what_the_door_ends(tmp_path: Path, impatient: None, sent: bytes) -> None:
    async with door_to(tmp_path, max_body=_MAX_BODY) as door:
        assert await left_of(door.port, sent, is_ended) == {}


@pytest.mark.parametrize("ending", [hangs_up, resets], ids=lambda ending: ending.__name__)
@pytest.mark.parametrize("sent", [b"", b"POST / HT", SLOW["half a body"], _KEPT_ALIVE, HANDSHAKE, _MESSAGE[:-10]])
async def test_nothing_is_left_of_what_the_peer_ends(tmp_path: Path, sent: bytes, ending: Ending) -> None:
    async with door_to(tmp_path) as door:
        assert await left_of(door.port, sent, ending) == {}


@pytest.mark.parametrize("sent", [_KEPT_ALIVE, _MESSAGE], ids=["http", "websocket"])
async def test_nothing_is_left_of_who_was_answered(tmp_path: Path, sent: bytes) -> None:
    async with door_to(tmp_path) as door:
        assert await left_of(door.port, sent, resets_when_answered) == {}


async def test_nothing_is_left_of_who_gave_way(tmp_path: Path) -> None:
    async with door_to(tmp_path, seats=Seats(most=0)) as door:
        assert await left_of(door.port, b"", is_ended) == {}


@pytest.mark.parametrize("sent", [b"", b"no TLS"], ids=["silent", "no TLS"])
async def test_nothing_is_left_of_who_never_agrees_on_tls(tmp_path: Path, impatient: None, sent: bytes) -> None:
    protocol = Secured(tls_context(*self_signed(tmp_path)), GuardedProtocol)
    async with door_to(tmp_path, protocol=protocol) as door:
        assert await left_of(door.port, sent, is_ended) == {}


@pytest.mark.parametrize("sent", [b"", SLOW["half a body"], request(_PUSH), _MESSAGE])
async def test_nothing_is_left_of_what_ends_within_tls(tmp_path: Path, impatient: None, sent: bytes) -> None:
    cert, key = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    async with door_to(tmp_path, protocol=Secured(tls_context(cert, key), GuardedProtocol)) as door:
        assert await left_of(door.port, sent, is_ended, partial(_secured, trusting)) == {}


def _secured(context: ssl.SSLContext, port: int) -> socket.socket:
    return context.wrap_socket(socket.create_connection((HOST, port)), server_hostname=HOST)
