"""What commands and pages say to people, in the languages that there are, and which language a person reads.

Each says what is its own by the name of a sentence, with `say`. What was said in English elsewhere, such as what
is wrong with a configuration, is put into the other language by its pattern, with `translated`.
"""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from bridge.words.files import FILES
from bridge.words.pages import PAGES
from bridge.words.patterns import chinese
from bridge.words.reports import REPORTS
from bridge.words.stories import STORIES

LANGUAGES: Final = ("en", "zh")
SENTENCES: Final[Mapping[str, tuple[str, str]]] = {**STORIES, **REPORTS, **FILES, **PAGES}
"""By name, in each of the languages."""

_LONGEST: Final = 500
"""Characters of a line that is put into another language. A longer one is mostly what a device or a far side said, and
to hold it against all patterns would take seconds."""
_ONE: Final = re.compile(r"(?<![\d,.])1 (event|picture|segment|output|time|push)(?:s|es)\b")


def language(lang: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The language to tell in: the one that was asked for, else the locale's, else English."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return lang or (locale[:2] if locale[:2] in LANGUAGES else "en")


def say(lang: str, sentence: str, **values: object) -> str:
    """A sentence of the table, with its values."""
    return singular(SENTENCES[sentence][LANGUAGES.index(lang)].format(**values))


def singular(english: str) -> str:
    """A sentence in which one thing is one: "1 event", not "1 events"."""
    return _ONE.sub(r"1 \1", english)


def translated(lang: str, text: str) -> str:
    """What was said in English, line by line; a line that is long, or that no pattern knows, stays as it is."""
    if lang == "en":
        return text
    return "\n".join((len(line) <= _LONGEST and chinese(line)) or line for line in text.split("\n"))


def ago(lang: str, when: str) -> str:
    """How long a time of the daemon's lies back."""
    return say(lang, "ago", span=span(lang, time.time() - datetime.fromisoformat(when).timestamp()))


def span(lang: str, seconds: float) -> str:
    """How long something lasts, in the largest unit of which there are two."""
    whole = max(0, int(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60))
    unit, size = next(((unit, size) for unit, size in units if whole >= 2 * size), ("s", 1))
    return say(lang, f"span {unit}", count=whole // size)


def room(lang: str, hours: float) -> str:
    """For how long there is room; once it is years, the hours say nothing."""
    return say(lang, "room years" if hours > 366 * 24 else "room hours", hours=hours)


def local(text: str, zone: tzinfo) -> str:
    """A time of the daemon's as people read it."""
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def padded(text: str, width: int) -> str:
    """A text with blanks up to a width in cells of a terminal; a Chinese character takes two."""
    return text + " " * (width - cells(text))


def cells(text: str) -> int:
    """How wide a text is on a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
