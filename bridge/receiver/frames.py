"""What the library for WebSockets keeps of a connection, and how it is let go of when the connection ends."""

from __future__ import annotations

from traceback import clear_frames

from websockets.protocol import Protocol


def let_go(frames: Protocol) -> None:
    """Free it now: its parser and its errors hold it, and it holds them, until a garbage collection comes."""
    frames.parser.close()
    for error in (frames.handshake_exc, frames.parser_exc):
        if error is not None:
            clear_frames(error.__traceback__)
    frames.handshake_exc = frames.parser_exc = None
