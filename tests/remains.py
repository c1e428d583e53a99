"""What is left of connections when they have ended."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Final

from bridge.testing.ports import HOST

_FIRST: Final = 2
"""They bring what is kept for all that follow: of two equal pushes the second takes another way."""
_CONNECTIONS: Final = 40
_PATIENCE: Final = 5.0
_LOOKS: Final = 100

Ending = Callable[[socket.socket], None]


def is_ended(peer: socket.socket) -> None:
    """The far side ends it."""
    while peer.recv(65_536):
        pass


def hangs_up(peer: socket.socket) -> None:
    """The peer ends it, as it should."""
    peer.shutdown(socket.SHUT_RDWR)


def resets(peer: socket.socket) -> None:
    """The peer ends it without a goodbye."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_when_answered(peer: socket.socket) -> None:
    """The peer ends it so as soon as anything came back."""
    peer.recv(65_536)
    resets(peer)


def _plain(port: int) -> socket.socket:
    return socket.create_connection((HOST, port))


async def left_of(
    port: int, sent: bytes, ending: Ending, connect: Callable[[int], socket.socket] = _plain
) -> dict[str, int]:
    """How many objects of which types are left of some connections that sent this and ended so.

    No garbage collection comes meanwhile: in the daemon, too, it comes late.
    """
    await asyncio.to_thread(_come_and_go, _FIRST, port, sent, ending, connect)
    gc.collect()
    gc.disable()
    try:
        before = _objects()
        await asyncio.to_thread(_come_and_go, _CONNECTIONS, port, sent, ending, connect)
        for _ in range(_LOOKS):
            left = _many(_objects() - before)
            if not left:
                break
            await asyncio.sleep(_PATIENCE / _LOOKS)
        return left
    finally:
        gc.enable()


def _come_and_go(count: int, port: int, sent: bytes, ending: Ending, connect: Callable[[int], socket.socket]) -> None:
    with contextlib.ExitStack() as opened:
        peers = [opened.enter_context(connect(port)) for _ in range(count)]
        for peer in peers:
            peer.settimeout(_PATIENCE)
            with contextlib.suppress(ConnectionError):  # it may be ended while it still sends
                peer.sendall(sent)
        for peer in peers:
            with contextlib.suppress(ConnectionError):
                ending(peer)
    with _plain(port) as last, contextlib.suppress(ConnectionError):
        last.sendall(b"?\r\n\r\n")
        is_ended(last)  # when it is refused, all before it were seen


def _objects() -> Counter[str]:
    """Without weak references, which hold nothing: the sqlite3 module leaves up to 200 of its cursors about."""
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) is not weakref.ref)


def _many(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count >= _CONNECTIONS // 2}
