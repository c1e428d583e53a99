"""The configuration in force as TOML: every key with its value, defaults too, secrets as `<secret>`."""

from __future__ import annotations

from typing import Any

from bridge.config import toml
from bridge.config.settings import Settings


def in_force(settings: Settings) -> str:
    """The whole configuration, one table after the other."""
    top = toml.keys(settings)
    tables: dict[tuple[str, ...], dict[str, Any]] = {(): top}
    for section in ("server", "journal", "control"):
        tables[(section,)] = toml.keys(top.pop(section))
    for name, output in top.pop("output").items():
        keys = toml.keys(output)
        tables["output", name] = keys | toml.keys(keys.pop("options"))
    for section in ("device", "protocol"):
        for name, table in top.pop(section).items():
            tables[section, name] = toml.keys(table)
    return "\n".join(_written(path, table) for path, table in tables.items())


def _written(path: tuple[str, ...], table: dict[str, Any]) -> str:
    header = [f"[{toml.dotted(path)}]"] if path else []
    lines = [f"{toml.key(name)} = {toml.value(item)}" for name, item in table.items()]
    return "".join(f"{line}\n" for line in header + lines)
