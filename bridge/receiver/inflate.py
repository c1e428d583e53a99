"""Compressed bodies: read as what they are, whatever their sender announces."""

from __future__ import annotations

import zlib
from typing import Final

from bridge.receiver.budget import TooLarge

GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_ZLIB_WINDOW: Final = 15
_RAW_WINDOW: Final = -15
_PADDING: Final = b"\0 \t\r\n"


def inflated(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body without compression; raises TooLarge beyond `limit` bytes.

    gzip is told by its first bytes; zlib and raw deflate have none, so they are tried where the sender announces
    either encoding. What is not whole, or is not compressed at all, stays as it came.
    """
    if body.startswith(GZIP):
        return _inflate(body, _GZIP_WINDOW, limit) or body
    if encoding and encoding.strip().lower() in (b"deflate", b"gzip", b"x-gzip", b"zlib"):
        return _inflate(body, _ZLIB_WINDOW, limit) or _inflate(body, _RAW_WINDOW, limit) or body
    return body


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    """Empty where it is no whole stream of this kind."""
    inflater = zlib.decompressobj(window)
    try:
        whole = inflater.decompress(body, limit + 1)
    except zlib.error:
        return b""
    if len(whole) > limit:
        raise TooLarge(f"too large: the body inflates to more than {limit} bytes (max_body)")
    return whole if inflater.eof and not inflater.unused_data.strip(_PADDING) else b""
