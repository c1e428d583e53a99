"""Chinese for what was said in English elsewhere: what is wrong with a configuration, what a daemon did or refused.

The English sentence stands where it is raised, and only there; here it is known by its pattern. `{name}` is a fact and
goes over as it is. `{NAME}` is a part that has a pattern of its own: where it has none, the whole one does not fit.
A part may stand in another table than the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final

from bridge.words.patterns.answers import ANSWERS
from bridge.words.patterns.configuration import CONFIGURATION
from bridge.words.patterns.files import FILES
from bridge.words.patterns.outputs import OUTPUTS
from bridge.words.patterns.plugins import PLUGINS
from bridge.words.patterns.promises import PROMISES
from bridge.words.patterns.refusals import REFUSALS

PATTERNS: Final[Mapping[str, str]] = {
    **PLUGINS, **FILES, **CONFIGURATION, **ANSWERS, **REFUSALS, **OUTPUTS, **PROMISES
}  # fmt: skip
"""Chinese by English; where several fit, the first one holds: those of plugins, which end in what anybody may raise."""

_SLOT = re.compile(r"{(\w+)}")
_KEY: Final = r'(?:[\w-]+|"(?:[^"\\]|\\.)*")'
_SHAPES: Final = {
    "gap": " {2,}",
    "count": r"\d+",
    "role": r"\w+",
    "amount": r"[\d.,]+ \w?B",
    "most": r"[\d.,]+ \w?B",
    "variable": r"\${[^}]*}",
    "version": r"[\d.]+",
    "first": r"\d+",
    "last": r"\d+",
    "class": r"\w+",
    "choice": '[^"]+',
    "value": r'"(?:[^"\\]|\\.)*"|[^"]+?',
    "key": rf"{_KEY}(?:\.{_KEY}|\[\d+\])*",
}
"""What some facts look like; any other is as short as it can be, and a part as long as it can be."""

_REMEMBERED: Final = 4096
"""Lines and parts: the same are looked at again and again, and new ones come as long as somebody makes them up."""
_DEEPEST: Final = 12
"""So many parts may stand in each other: more than any sentence has, and a bound for what somebody makes up."""


@lru_cache(_REMEMBERED)
def chinese(english: str, deep: int = 0) -> str | None:
    """A line in Chinese; None where no pattern fits."""
    return PATTERNS.get(english) or next(
        (told for pattern in PATTERNS if (told := _fitted(pattern, english, deep)) is not None), None
    )


def _fitted(pattern: str, english: str, deep: int) -> str | None:
    match = _expression(pattern).fullmatch(english)
    if match is None or deep == _DEEPEST:
        return None
    parts = match.groupdict().items()
    said = {name: chinese(part, deep + 1) if name.isupper() else part for name, part in parts}
    return None if None in said.values() else _SLOT.sub(lambda slot: str(said[slot[1]]), PATTERNS[pattern])


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    def group(name: str) -> str:
        return f"(?P<{name}>{_SHAPES.get(name) or ('.+' if name.isupper() else '.*?')})"

    return re.compile("".join(group(it) if slot % 2 else re.escape(it) for slot, it in enumerate(_SLOT.split(pattern))))
