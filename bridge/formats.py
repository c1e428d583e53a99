"""What the bytes of a picture tell of it: their format and its size, whatever was said beside them."""

from __future__ import annotations

import re
from typing import Final

NO_PICTURE: Final = "application/octet-stream"
"""The media type of what is in none of the formats known here."""
_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
_FILL: Final = re.compile(rb"\xff{1,64}")
"""A JPEG's marker may be filled up with FF before it."""
_MOST_SEGMENTS: Final = 1000
"""Of a JPEG before its size. More of either is written by nobody but who wants to be waited for."""


def media_type(data: bytes) -> str:
    """What the bytes are, by their beginning."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else NO_PICTURE


def measure(data: bytes) -> tuple[int | None, int | None]:
    """Width and height of a JPEG or PNG; None where the bytes don't tell."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not data.startswith(b"\xff\xd8"):
        return None, None
    at = 2
    for _ in range(_MOST_SEGMENTS):
        filled = _FILL.match(data, at)
        if filled is None or filled.end() + 8 > len(data):
            break
        at = filled.end()
        marker = data[at]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 6 : at + 8], "big"), int.from_bytes(data[at + 4 : at + 6], "big")
        at += 1 + int.from_bytes(data[at + 1 : at + 3], "big")
    return None, None
