"""Which font on this machine has Chinese characters; found by name, without fontconfig or the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
OWN_FOLDER: Final = "fonts"
"""Below `data`: a font file that somebody puts there is taken before all others."""

_KNOWN: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansSC-Regular.ttf",
    "SourceHanSansSC-Regular.otf",
    "SourceHanSansCN-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DroidSansFallback.ttf",
    "NotoSerifCJK-Regular.ttc",
    "uming.ttc",
    "ukai.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "simsun.ttc",
)
"""Fonts with Chinese characters, the most readable first."""
_SIMPLIFIED: Final = {"NotoSansCJK-Regular.ttc": 2, "NotoSerifCJK-Regular.ttc": 2}
"""Which face of a collection has the forms of mainland China; the first one is Japanese there."""
_SUFFIXES: Final = (".ttf", ".ttc", ".otf")


class Font(NamedTuple):
    """A face in a font file."""

    path: Path
    face: int = 0


@lru_cache(maxsize=4)
def chinese_font(data: Path) -> Font | None:
    """The best font with Chinese characters, looked for once; `data`: the daemon's data folder."""
    own = sorted(file for file in (data / OWN_FOLDER).glob("*") if file.suffix.lower() in _SUFFIXES)
    if own:
        return Font(own[0])
    found = {path.name: path for path in _files() if path.name in _KNOWN}
    best = next((name for name in _KNOWN if name in found), None)
    return Font(found[best], _SIMPLIFIED.get(best, 0)) if best else None


def _files() -> Iterator[Path]:
    for folder in FOLDERS:
        for place, _, names in os.walk(Path(folder).expanduser()):
            yield from (Path(place, name) for name in names)
