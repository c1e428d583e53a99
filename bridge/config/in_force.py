"""The configuration in force as TOML: every key with its value, defaults too, secrets as `<secret>`.

So is what may be one in the URLs of outputs, which their tables' names tell apart: all but scheme, host and port.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from bridge.config import toml
from bridge.config.settings import Settings


def in_force(settings: Settings) -> str:
    """The whole configuration, one table after the other."""
    top = _keys(settings)
    tables: dict[tuple[str, ...], dict[str, Any]] = {(): top}
    for section in ("server", "journal", "control"):
        tables[(section,)] = _keys(top.pop(section))
    for name, output in top.pop("output").items():
        keys = _keys(output)
        tables["output", name] = keys | _keys(keys.pop("options"))
    for section in ("device", "protocol"):
        for name, table in top.pop(section).items():
            tables[section, name] = _keys(table)
    return "\n".join(_written(path, table) for path, table in tables.items())


def _keys(struct: Struct) -> dict[str, Any]:
    return {field.encode_name: getattr(struct, field.name) for field in structs.fields(struct)}


def _written(path: tuple[str, ...], table: dict[str, Any]) -> str:
    header = [f"[{toml.dotted(path)}]"] if path else []
    lines = [_line(name, item) for name, item in table.items()]
    if path[:1] == ("output",):
        lines = [toml.masked(line) for line in lines]
    return "".join(f"{line}\n" for line in (*header, *lines))


def _line(name: str, item: Any) -> str:
    if item is None:
        return f"# {toml.key(name)} is not set"
    return f"{toml.key(name)} = {toml.value(item)}"
