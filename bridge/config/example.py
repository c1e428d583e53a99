"""An example configuration to begin with, written from the structs themselves: keys, meanings, defaults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from bridge.config import toml
from bridge.config.protocol import ProtocolSettings
from bridge.config.schema import FILE_NAME
from bridge.config.settings import (
    PLUGINS_DIR,
    ControlSettings,
    DeviceSettings,
    JournalSettings,
    OutputSettings,
    ServerSettings,
    Settings,
)
from bridge.config.wording import peel
from bridge.options import Duration, Rate, Secret, Share, Size
from bridge.output import Output

WIDTH = 120
"""No line is longer, as long as its key and value allow."""

_COMMENT_AT = 32

_SECTIONS = {
    Settings: ("server", "journal", "control", "output", "device", "protocol"),
    OutputSettings: ("options",),
}

_PREFACE = f"""\
#:schema ./{FILE_NAME}
# A key that is commented out shows its default, or an example. Durations and sizes are text with a unit: "30s", "16MB".
# Secrets are best kept elsewhere: "${{NAME}}" is the environment's, {{ file = "secrets/name" }} a file beside this one.
"""


def example(types: Sequence[str], outputs: Mapping[str, type[Output]], plugins_dir: Path = PLUGINS_DIR) -> str:
    """A configuration with an output of each of these types; it loads as it stands unless an output needs a secret.

    `plugins_dir`: where drop-in plugins lie that it may need.
    """
    given = {} if plugins_dir == PLUGINS_DIR else {"plugins_dir": toml.value(plugins_dir)}
    blocks = ["\n".join(_keys(_scalars(Settings), given=given))]
    blocks.append("\n".join(_section(ServerSettings, variable="box")))
    blocks += ["\n".join(_section(struct)) for struct in (JournalSettings, ControlSettings)]
    blocks.append("\n".join(_common()))
    for index, name in enumerate(types):
        before = types[:index].count(name)
        blocks.append("\n".join(_output(f"{name}-{before + 1}" if before else name, outputs[name])))
    blocks += ["\n".join(_section(struct, "# ")) for struct in (DeviceSettings, ProtocolSettings)]
    return _PREFACE + "\n" + "\n\n".join(blocks) + "\n"


def _scalars(cls: type[Struct]) -> list[structs.FieldInfo]:
    """Its keys, without those that are sections."""
    return [field for field in structs.fields(cls) if field.name not in _SECTIONS.get(cls, ())]


def _section(cls: type[Struct], prefix: str = "", variable: str = "console") -> Iterator[str]:
    """A table whose header and meaning are the struct's docstring."""
    header, _, meaning = (cls.__doc__ or "").partition(": ")
    yield from _line(prefix + header, meaning[:1].upper() + meaning[1:])
    yield from _keys(_scalars(cls), variable=variable)


def _common() -> Iterator[str]:
    yield "# Each table [output.NAME] is one place that events go to; the name is yours. All of them take these keys:"
    yield from _keys([field for field in _scalars(OutputSettings) if field.name != "type"])


def _output(name: str, output: type[Output]) -> Iterator[str]:
    meaning = (output.__doc__ or "").strip().partition("\n")[0]
    yield from _line(f"[output.{toml.key(name)}]", meaning)
    yield from _line(f"type = {toml.value(output.type)}", "")
    yield from _keys(list(structs.fields(output.Options)), variable=name)


def _keys(
    fields: Sequence[structs.FieldInfo], variable: str = "", given: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    for field in fields:
        line = f"{toml.key(field.encode_name)} = {given.get(field.name) or _value(field, variable)}"
        required = field.required and field.name not in ("site", "data", "timezone")
        yield from _line(line if required or field.name in given else f"# {line}", _description(field))


def _line(code: str, comment: str) -> Iterator[str]:
    """Code with its comment behind it, or above it where both together are too long."""
    line = f"{code:<{_COMMENT_AT - 1}}  # {comment}" if comment else code
    if len(line) > WIDTH:
        yield from textwrap.wrap(comment, WIDTH, initial_indent="#   ", subsequent_indent="#   ")
        line = code
    yield line


def _description(field: structs.FieldInfo) -> str:
    _, metas = peel(field.type)
    return " ".join(meta.description for meta in metas if meta.description)


def _value(field: structs.FieldInfo, variable: str) -> str:
    """What stands behind the key: the default where it says something, else an example."""
    kind, metas = peel(field.type)
    if _plain(kind) is Secret:
        return toml.text(f"${{{_upper(variable)}_{_upper(field.encode_name)}}}")
    if field.default is not msgspec.NODEFAULT and field.default not in (None, ""):
        return toml.value(field.default)
    examples = [example for meta in metas for example in meta.examples or []]
    if examples:
        return toml.value(examples[0])
    if field.default == "":
        return '""'
    return _made_up(kind, variable)


def _made_up(wanted: Any, variable: str) -> str:
    """Some value of the type, for a key that has neither default nor example."""
    kind = _plain(peel(wanted)[0])
    if get_origin(kind) is Literal:
        return toml.value(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Struct):
        needed = [field for field in structs.fields(kind) if field.required] or structs.fields(kind)[:1]
        pairs = (f"{toml.key(field.encode_name)} = {_value(field, variable)}" for field in needed)
        return f"{{ {', '.join(pairs)} }}"
    return _MADE_UP.get(get_origin(kind) or kind, '""')


_MADE_UP: dict[Any, str] = {
    str: '"text"',
    int: "1",
    float: "1.0",
    bool: "true",
    **{kind: toml.text(kind.EXAMPLE) for kind in (Duration, Rate, Size, Share)},
    Path: '"/path/to/it"',
    ZoneInfo: '"UTC"',
    list: "[]",
    tuple: "[]",
    dict: "{}",
}


def _plain(kind: Any) -> Any:
    """The type without `| None`."""
    members = [member for member in get_args(kind) if member is not NoneType]
    return peel(members[0])[0] if NoneType in get_args(kind) else kind


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")
