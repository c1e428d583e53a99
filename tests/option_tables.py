"""The option tables of docs/outputs: written from the structs, so that no page says anything else than `check`.

python -m tests.option_tables        writes them into the pages
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from bridge.config import toml
from bridge.config.settings import AtMost, OutputSettings
from bridge.config.wording import peel
from bridge.options import Duration, Rate, Secret, Share, Size
from bridge.plugins import Plugins

PAGES: Final = sorted((Path(__file__).parent.parent / "docs" / "outputs").glob("*.md"))
_TABLE: Final = re.compile(r"(<!-- options: (.+?) -->\n).*?(<!-- end of options -->)", re.DOTALL)
_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    bool: "true, false",
    int: "number",
    float: "number",
    Path: "path",
    Duration: "duration",
    Rate: "rate",
    Size: "size",
    Share: "percent",
    Secret: "secret",
    ZoneInfo: "time zone",
    dict: "table",
}


def tables() -> dict[str, type[Struct]]:
    """The structs that have a table, by its name."""
    outputs = {name: output.Options for name, output in Plugins().load().outputs.items()}
    return {"every output": OutputSettings, "at_most": AtMost, **outputs}


def written(page: str, structs_: Mapping[str, type[Struct]]) -> str:
    """A page with its tables as the structs have them."""
    return _TABLE.sub(lambda place: f"{place[1]}{table(structs_[place[2]])}{place[3]}", page)


def table(struct: type[Struct]) -> str:
    """The keys of a struct in Markdown: value, default, meaning."""
    rows = [row for field in structs.fields(struct) if field.name != "options" for row in row_of(field)]
    return "".join(f"{line}\n" for line in ("| key | value | default | meaning |", "|---|---|---|---|", *rows))


def row_of(field: structs.FieldInfo) -> Iterator[str]:
    """A key as a line of the table."""
    _, metas = peel(field.type)
    meaning = " ".join(meta.description for meta in metas if meta.description)
    cells = (f"`{field.encode_name}`", _value(field.type), _default(field), meaning)
    yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(wanted: Any) -> str:
    kind, _ = peel(wanted)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        members = [_value(member) for member in arguments if member is not NoneType]
        return " or ".join(dict.fromkeys(members))
    if origin is Literal:
        return ", ".join(f"`{toml.value(choice)}`" for choice in arguments)
    if origin in (list, tuple):
        return f"list of {_value(arguments[0])}"
    plain = origin or kind
    return "table" if isinstance(plain, type) and issubclass(plain, Struct) else _WORDS.get(plain, str(plain))


def _default(field: structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "" if default in (None, "", (), {}) else f"`{toml.value(default)}`"


def main() -> None:
    """Write all pages."""
    for page in PAGES:
        page.write_text(written(page.read_text("utf-8"), tables()), "utf-8")


if __name__ == "__main__":
    main()
