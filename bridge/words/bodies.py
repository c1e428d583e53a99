"""The beginning of a body as people read it: without the long runs, such as a picture's base64, that nobody reads."""

from __future__ import annotations

import re
from typing import Final

from bridge.words import say

_SHOWN_CHARACTERS: Final = 4_000
_LONG: Final = 200
_LONG_TEXT: Final = re.compile(rf"[A-Za-z0-9+/=\\]{{{_LONG},}}")
_PIECE: Final = 10_000
"""So many characters are looked at in one go."""


def beginning(body: bytes, lang: str) -> tuple[str, bool]:
    """The text that is shown, and whether it goes on; no more is looked at, for a body may be very large."""
    text = body.decode("utf-8", "replace")
    shown, at = "", 0
    while at < len(text) and len(shown) <= _SHOWN_CHARACTERS:
        long = _LONG_TEXT.search(text, at, at + _PIECE)
        if long is None:  # one may begin within the last characters
            end = len(text) if at + _PIECE >= len(text) else at + _PIECE - _LONG
            shown, at = shown + text[at:end], end
            continue
        whole = _LONG_TEXT.match(text, long.start())
        assert whole  # noqa: S101 - it was found there
        shown += text[at : whole.start()] + say(lang, "characters", count=len(whole[0]))
        at = whole.end()
    return shown[:_SHOWN_CHARACTERS], len(shown) > _SHOWN_CHARACTERS
