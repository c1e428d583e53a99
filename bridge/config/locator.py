"""Where keys and values stand in a TOML text. The text must be valid: the reader proper has found syntax errors."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple, TypeAlias

import tomli

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of tables and indices of lists."""


class Place(NamedTuple):
    """A place in a text; both count from 1."""

    line: int
    column: int


class Places:
    """The places of everything in one text."""

    def __init__(self, text: str) -> None:
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._found = _Walk(text).walk()

    @property
    def paths(self) -> set[Path]:
        """All paths of the text, those of implied tables too."""
        return set(self._found)

    def key(self, path: Path) -> Place:
        """Where the key stands; for what is not in the text, where the table stands that it would be in."""
        return self._place(path, 0)

    def value(self, path: Path) -> Place:
        """Where the value begins, a table at its bracket; for what is not in the text, as above."""
        return self._place(path, 1)

    def _place(self, path: Path, which: int) -> Place:
        while path and path not in self._found:
            path, which = path[:-1], 1
        offset = self._found[path][which] if path else 0
        line = bisect_right(self._lines, offset)
        return Place(line, offset - self._lines[line - 1] + 1)


_TOKEN = re.compile(
    r"""
      (?P<string> \"{3} (?:[^\\]|\\.)*? \"{3,5} | '{3} .*? '{3,5} | "(?:[^"\\\n]|\\.)*" | '[^'\n]*' )
    | (?P<skip> [ \t\r]+ | \#[^\n]* )
    | (?P<mark> [\n\[\]{}=,.] )
    | (?P<bare> [^\s\[\]{}=,."'\#]+ )
    """,
    re.VERBOSE | re.DOTALL,
)


class _Walk:
    """One walk over the tokens; notes path -> (offset of the key, offset of the value)."""

    def __init__(self, text: str) -> None:
        self._tokens = [(match[0], match.start()) for match in _TOKEN.finditer(text) if match.lastgroup != "skip"]
        self._tokens.append(("", len(text)))
        self._at = 0
        self._found: dict[Path, tuple[int, int]] = {}
        self._last: dict[Path, int] = {}  # array of tables -> index of the table that is open

    def walk(self) -> dict[Path, tuple[int, int]]:
        table: Path = ()
        while self._next() != "":
            if self._next() == "[":
                table = self._header()
            elif not self._take("\n"):
                self._pair(table)
        return self._found

    def _next(self) -> str:
        return self._tokens[self._at][0]

    def _offset(self) -> int:
        return self._tokens[self._at][1]

    def _take(self, *marks: str) -> bool:
        taken = self._next() in marks
        self._at += taken
        return taken

    def _keys(self) -> list[tuple[str, int]]:
        keys = []
        while True:
            token, offset = self._tokens[self._at]
            self._at += 1
            keys.append((next(iter(tomli.loads(f"{token} = 0"))) if token[0] in "\"'" else token, offset))
            if not self._take("."):
                return keys

    def _header(self) -> Path:
        bracket = self._offset()
        self._take("[")
        is_array = self._take("[")
        *outer, (name, offset) = self._keys()
        self._take("]")
        self._take("]")
        path = self._enter((), outer, bracket)
        path = (*path, name)
        if is_array:
            self._found.setdefault(path, (offset, bracket))
            self._last[path] = self._last.get(path, -1) + 1
            path = (*path, self._last[path])
        self._found[path] = (offset, bracket)
        return path

    def _enter(self, path: Path, keys: list[tuple[str, int]], value: int | None = None) -> Path:
        """Go into tables that need not have a place of their own."""
        for name, offset in keys:
            path = (*path, name)
            self._found.setdefault(path, (offset, offset if value is None else value))
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _pair(self, table: Path) -> None:
        *outer, (name, offset) = self._keys()
        self._take("=")
        path = (*self._enter(table, outer), name)
        self._found[path] = (offset, self._offset())
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._take("["):
            index = 0
            while not self._take("]"):
                if not self._take("\n", ","):
                    self._found[(*path, index)] = (self._offset(), self._offset())
                    self._value((*path, index))
                    index += 1
        elif self._take("{"):
            while not self._take("}"):
                if not self._take("\n", ","):
                    self._pair(path)
        else:
            while self._next() not in ("\n", ",", "]", "}", ""):
                self._at += 1
