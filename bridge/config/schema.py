"""The JSON Schema of the configuration, for editors that complete and check while one types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
import tomli
from msgspec import Meta, Struct, structs

from bridge.config import toml
from bridge.config.settings import OutputSettings, Settings
from bridge.config.wording import peel
from bridge.options import Duration, Rate, Secret, Share, Size, WithUnit

FILE_NAME = "boxbridge.schema.json"

_VARIABLE = r"\$\{[^}]+\}"


def configuration_schema(options: Mapping[str, type[Struct]]) -> dict[str, Any]:
    """The schema of a whole configuration file; `options`: the Options struct of each type of output."""
    schema = _table(Settings)
    schema["properties"]["output"] = {
        "type": "object",
        "description": "Each table [output.NAME] is one place that events go to.",
        "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
        "additionalProperties": {"oneOf": [_output(name, own) for name, own in sorted(options.items())]},
    }
    del schema["required"]  # the machine says what is left out
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "boxbridge", **schema}


def options_schema(options: type[Struct]) -> dict[str, Any]:
    """The schema of an output's own keys; raises what can't be understood in their types, defaults or annotations."""
    return _table(options)


def _output(name: str, options: type[Struct]) -> dict[str, Any]:
    common, own = _table(OutputSettings), _table(options)
    properties = common["properties"] | own["properties"]
    properties["type"] = {"const": name, "description": properties["type"]["description"]}
    del properties["options"]
    required = ["type", *own.get("required", [])]
    return {"title": name, "type": "object", "properties": properties, "required": required} | _CLOSED


_CLOSED = {"additionalProperties": False}


def _table(cls: type[Struct]) -> dict[str, Any]:
    """A struct's schema; keys that it does not know are errors."""
    fields = structs.fields(cls)
    schema: dict[str, Any] = {"type": "object", "properties": {field.encode_name: _key(field) for field in fields}}
    required = [field.encode_name for field in fields if field.required]
    return schema | ({"required": required} if required else {}) | _CLOSED


def _key(field: structs.FieldInfo) -> dict[str, Any]:
    schema = _schema(field.type)
    default = field.default
    if default is None or default is msgspec.NODEFAULT or isinstance(default, Struct):
        return schema
    return schema | {"default": tomli.loads(f"default = {toml.value(default)}")["default"]}


def _schema(wanted: Any) -> dict[str, Any]:
    kind, metas = peel(wanted)
    schema = _of_kind(kind, metas)
    for meta in metas:
        said = {"description": meta.description, "examples": meta.examples, "title": meta.title}
        schema |= {name: text for name, text in said.items() if text} | (meta.extra_json_schema or {})
    return schema


def _of_kind(kind: Any, metas: list[Meta]) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        members = [_schema(member) for member in arguments if member is not NoneType]
        return members[0] if len(members) == 1 else {"anyOf": members}
    if origin is Literal:
        return {"enum": list(arguments)}
    if kind in _TEXTS:
        return dict(_TEXTS[kind])
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _table(kind)
    if origin in (list, tuple, set, frozenset):
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return msgspec.json.schema(Annotated[(kind, *metas)] if metas else kind)


def _with_unit(kind: type[WithUnit]) -> dict[str, Any]:
    units = "|".join(kind.UNITS)
    return {"type": "string", "pattern": rf"^\s*[0-9]+(\.[0-9]+)?\s*({units})\s*$|{_VARIABLE}"}


_SECRET_FILE = {
    "type": "object",
    "properties": {"file": {"type": "string", "description": "Beside the configuration; last line break dropped."}},
    "required": ["file"],
} | _CLOSED

_TEXTS: dict[Any, dict[str, Any]] = {
    **{kind: _with_unit(kind) for kind in (Duration, Rate, Size, Share)},
    Secret: {"anyOf": [{"type": "string", "description": 'Best as "${NAME}", from the environment.'}, _SECRET_FILE]},
    Path: {"type": "string"},
    ZoneInfo: {"type": "string"},
}
