"""What a value should be, by the type of its option, and what was found there instead: in the words of errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, structs

from bridge.config import toml
from bridge.options import Duration, Rate, Secret, Share, Size


def peel(wanted: Any) -> tuple[Any, list[Meta]]:
    """The type itself and what is said about it."""
    if get_origin(wanted) is not Annotated:
        return wanted, []
    kind, *said = get_args(wanted)
    return kind, [meta for meta in said if isinstance(meta, Meta)]


def shown(value: Any) -> str:
    """A value in an error: text and numbers as they stand in the file, but of URLs what is no secret; anything larger
    only by its kind."""
    kind = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else ""
    return kind or toml.masked(toml.value(value))


EXAMPLES: Final[dict[Any, str]] = {
    **{kind: kind.EXAMPLE for kind in (Duration, Rate, Size, Share)},
    Secret: "",
    FilePath: "",
    ZoneInfo: "Asia/Shanghai",
}
"""The types that are read from text, each with an example; "" where the noun says enough."""

_NOUNS: Final[dict[Any, str]] = {
    Duration: "a duration",
    Rate: "a rate",
    Size: "a size",
    Share: "a share",
    FilePath: "a path",
    ZoneInfo: "a time zone",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    tuple: "a list",
    set: "a list",
    frozenset: "a list",
    dict: "a table",
}


def expected(kind: Any, metas: list[Meta]) -> str:
    """What a value should be, in words."""
    if get_origin(kind) is Literal:
        choices = [shown(choice) for choice in get_args(kind)]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    plain = get_origin(kind) or kind
    if plain is Secret:
        return 'a secret: "${NAME}" or { file = "secrets/name" }'
    if isinstance(plain, type) and issubclass(plain, Struct):
        return "a table"
    noun = _NOUNS.get(plain) or f"a {getattr(plain, '__name__', plain)}"
    units = getattr(plain, "UNITS", {})
    limits = [limit for meta in metas for limit in _limits(meta, units)]
    least = max((meta.ge for meta in metas if meta.ge is not None), default=0)
    example = EXAMPLES.get(plain, "")
    if example and least > 0 and float(plain(example)) < least:
        example = _written(least, units)
    such_as = f' such as "{example}"' if example else ""
    return " ".join([noun, *limits]) + ("," if limits and such_as else "") + such_as


def _limits(meta: Meta, units: Mapping[str, float]) -> list[str]:
    if meta.ge is not None and meta.le is not None:
        return [f"between {_written(meta.ge, units)} and {_written(meta.le, units)}"]
    words = {
        "ge": "of at least {}",
        "gt": "above {}",
        "le": "of at most {}",
        "lt": "below {}",
        "multiple_of": "that is a multiple of {}",
        "min_length": "of length {} or more",
        "max_length": "of length {} or less",
        "pattern": "that matches {}",
    }
    bounds = ("ge", "gt", "le", "lt")
    given = [(name, limit) for name in words if (limit := getattr(meta, name)) is not None]
    return [words[name].format(_written(limit, units) if name in bounds else limit) for name, limit in given]


def _written(limit: Any, units: Mapping[str, float]) -> str:
    """A limit as people write it: in the largest unit that it is a whole number of."""
    fitting = [(size, unit) for unit, size in units.items() if limit and limit / size == round(limit / size)]
    size, unit = max(fitting, key=itemgetter(0), default=(1, next(iter(units), "")))
    return f"{round(limit / size)}{unit}" if units else str(limit)


def such_as(field: structs.FieldInfo) -> str:
    """`, such as qos = 1` where the field has an example."""
    _, metas = peel(field.type)
    examples = [example for meta in metas for example in meta.examples or []]
    return f", such as {field.encode_name} = {toml.value(examples[0])}" if examples else ""


_NOT_CLOSED: Final = "a text is not closed: the quote at its end is missing"
_PLAINLY: Final = {
    "Illegal character '\\n'": _NOT_CLOSED,
    "Unterminated string": _NOT_CLOSED,
    'Expected "\'"': _NOT_CLOSED,
    "Invalid value": 'this is no value: text stands in straight quotes, such as "text"',
    "Cannot overwrite a value": "this key is there twice",
    "Expected newline or end of document after a statement": "something follows the value",
    "Expected '=' after a key in a key/value pair": "= and a value are missing after the key",
    "Expected ']' at the end of a table declaration": "] is missing at the end of the table's name",
    "Invalid statement": "this is neither a key nor a [table]",
    "Invalid initial character for a key part": "this is no name of a key",
    "Unclosed array": "the list is not closed: ] is missing",
    "Unescaped '\\' in a string": r"a backslash is written \\, or the text stands in single quotes",
    "Invalid hex value": r"a backslash is written \\, or the text stands in single quotes",
}
_TWICE: Final = re.compile(r"Cannot declare (\(.*\)) twice")


def not_toml(said: str) -> str:
    """What a file's writer did wrong, by what tomli says; as it says it where that is rare."""
    if twice := _TWICE.fullmatch(said):
        return f"[{toml.dotted(ast.literal_eval(twice[1]))}] is there twice"
    return _PLAINLY.get(said, said)
