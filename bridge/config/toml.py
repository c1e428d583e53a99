"""Writing TOML: keys, dotted paths and values as they stand in a configuration. Secrets are written as `<secret>`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from bridge.options import Secret, WithUnit

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_URL = re.compile(
    r"""
    (?<![\w+.-])  # at each letter of a long word it would else be looked for again
    (?P<scheme>[\w+.-]+://)
    (?P<login>[^\s/?#"\\]*@)?
    (?P<host>[^\s/?#"\\]*)
    (?P<rest>(?:[^\s"\\]|\\[^"nrt])*)
    """,
    re.VERBOSE,
)


class Expanded(str):
    """A text that took something from the environment: it is shown as it was written, for that may be a secret."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, content: str, written: str) -> Self:
        """Both forms of it."""
        made = super().__new__(cls, content)
        made.written = written
        return made


def text(content: str) -> str:
    """A string on one line, in double quotes."""
    return json.dumps(content, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if _BARE.fullmatch(name) else text(name)


def dotted(path: Iterable[str | int]) -> str:
    """A path as people read it: `output.broker.hosts[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{key(step)}" for step in path).removeprefix(".")


def value(content: Any) -> str:  # noqa: PLR0911 - one for each type
    """A value on one line; raises TypeError for what a configuration can't hold."""
    match content:
        case bool():
            return str(content).lower()
        case WithUnit():
            return text(content.text)
        case int() | float():
            return repr(content)
        case str():
            return text(content.written if isinstance(content, Expanded) else content)
        case Path() | ZoneInfo() | Secret():
            return text(str(content))
        case date() | time():
            return content.isoformat()
        case Struct():
            return value(keys(content))
        case Mapping():
            pairs = [f"{key(str(name))} = {value(item)}" for name, item in content.items() if item is not None]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case list() | tuple() | set() | frozenset():
            return f"[{', '.join(value(item) for item in content)}]"
    raise TypeError(f"{type(content).__name__} can't be written as TOML")


def masked(written: str) -> str:
    """What was written, of each URL scheme, host and port alone: many a service has its token in the path."""
    return _URL.sub(_origin, written)


def _origin(url: re.Match[str]) -> str:
    if ":" in url["host"] and "@" in url["rest"]:  # a password that should be quoted would pass for a port
        return f"{url['scheme']}<secret>"
    login = "<secret>@" if url["login"] else ""
    rest = url["rest"] if url["rest"] in ("", "/") else "/<secret>"
    return f"{url['scheme']}{login}{url['host']}{rest}"


def table(path: Iterable[str | int], content: Mapping[str, Any]) -> list[str]:
    """A table, line by line: its header and its keys."""
    return [f"[{dotted(path)}]", *(f"{key(name)} = {value(item)}" for name, item in content.items())]


def keys(struct: Struct) -> dict[str, Any]:
    """A struct as a table: each key that has a value, under the name it has in the file."""
    pairs = ((field.encode_name, getattr(struct, field.name)) for field in structs.fields(struct))
    return {name: item for name, item in pairs if item is not None}
