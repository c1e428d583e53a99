"""The beginning of a body as people read it: without the long runs, such as a picture's base64, that nobody reads."""

from __future__ import annotations

import re
from typing import Final

from bridge.words import say

_SHOWN_CHARACTERS: Final = 4_000
_LONG_TEXT: Final = re.compile(r"[A-Za-z0-9+/=\\]{200,}")


def beginning(body: bytes, lang: str) -> tuple[str, bool]:
    """The text that is shown, and whether it goes on."""
    text = body.decode("utf-8", "replace")
    shown = _LONG_TEXT.sub(lambda long: say(lang, "characters", count=len(long[0])), text)
    return shown[:_SHOWN_CHARACTERS], len(shown) > _SHOWN_CHARACTERS
