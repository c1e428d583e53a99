"""Options made wrong one by one: whether the configuration says so, by the option's name, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, get_type_hints

from msgspec import structs

from bridge.errors import ConfigError
from bridge.output import Output

_OF_EACH_KIND: Final[tuple[Any, ...]] = ([[]], {"no-such-key": 1}, True, 7, "\t")
"""A value of each type that TOML has; no option takes all of them."""
_SECRET: Final = re.compile(r"(\w*_)?(password|secret|token|api_?key)")

Load = Callable[[Mapping[str, Any]], object]


def faults(
    output: type[Output], table: Mapping[str, Any], wrong: Sequence[tuple[str, Any]], load: Load
) -> Iterator[str]:
    """What is not told as it should be.

    `table`: a right one; `wrong`: values to be refused; `load` raises ConfigError where it is wrong.
    """
    for field in structs.fields(output.Options):
        name = field.encode_name
        told = [_told(load, {**table, name: content}, name) for content in _OF_EACH_KIND]
        if all(found == "" for found in told):
            yield f"option {name} takes a list, a table, true, 7 and text alike"
        yield from (found for found in told if found)
        if field.required and (found := _told(load, {k: v for k, v in table.items() if k != name}, name)) is not None:
            yield found or f"option {name} is required, and may be missing"
    for name, content in wrong:
        if (found := _told(load, {**table, name: content}, name)) is not None:
            yield found or f"option {name} takes {content!r}, which its test says is wrong"
    if (found := _told(load, {**table, "no-such-key": 1}, "no-such-key")) is not None:
        yield found or "an unknown key is taken"


def bare_secret(output: type[Output]) -> str:
    """The name of an option that is called like a secret and is mere text; "" where there is none."""
    hints = get_type_hints(output.Options)
    return next((name for name, kind in hints.items() if _SECRET.fullmatch(name) and kind is str), "")


def _told(load: Load, table: Mapping[str, Any], name: str) -> str | None:
    """None where the table is refused by a sentence that names the option; "" where it is taken; else what is amiss."""
    try:
        load(table)
    except ConfigError as error:
        if any(name in problem.what and "can't be said" not in problem.what for problem in error.problems):
            return None
        return f"option {name} is wrong, and the sentence does not name it: {error.problems[0].what}"
    except Exception as error:  # noqa: BLE001 - a plugin's own checks may raise anything
        return f"option {name} is wrong, and checking it raised {type(error).__name__}: {error}"
    return ""
