"""The pages of docs/reference: written from docstrings and descriptions, so that no page says anything else.

python -m tests.reference        writes them
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct, structs

import bridge
from bridge import hookspecs
from bridge.cli.main import COMMANDS, cli
from bridge.config.protocol import BoxSettings, ProtocolSettings
from bridge.config.settings import (
    AtMost,
    ControlSettings,
    DeviceSettings,
    JournalSettings,
    Only,
    OutputSettings,
    ServerSettings,
    Settings,
)
from bridge.config.wording import peel
from bridge.control.metrics import families
from bridge.testing import pytest_plugin
from bridge.testing.contract import HttpOutputContract
from tests.daemon import bridge_with
from tests.option_tables import row_of

FOLDER: Final = Path(__file__).parent.parent / "docs" / "reference"
FACE: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "outputs": (
        "Outputs: the class, what it is given, what it may raise",
        ("Output", "Delivery", "Original", "OutputContext", "Surroundings", "NoOptions", "Unavailable", "Retry",
         "Rejected", "Stopped", "outcome", "retry_after", "client_tls", "Threads", "API_VERSION"),
    ),
    "events": (
        "Events: what a device saw",
        ("Event", "Device", "Channel", "Skill", "Target", "Attribute", "Box", "Point", "Region", "Picture",
         "PictureLost", "Network", "escape", "new_id"),
    ),
    "normalizers": (
        "Normalizers: reading a vendor's protocol",
        ("Normalizer", "Push", "Parsed", "Key", "Cutout", "Outcome", "Answer", "Malformed", "read_document"),
    ),
    "options": ("Options: what a key may be besides text and numbers",
                ("Duration", "Size", "Share", "File", "Secret", "did_you_mean")),
}  # fmt: skip
"""The page of each name that a plugin may import; those of hooks.md are the rest."""
KIT: Final[Mapping[str, Sequence[str]]] = {
    "bridge.testing.contract": ("OutputContract", "HttpOutputContract", "Arrived"),
    "bridge.testing.normalizer_contract": ("NormalizerContract",),
    "bridge.testing.service": ("HttpService", "Request"),
    "bridge.testing": ("Box", "BoxAnswer", "InMemory", "draw_dot", "draw_scene", "sample_event", "sample_push", "vary"),
    "bridge.testing.bridge": ("Bridge",),
    "bridge.testing.brokers": ("Broker",),
}
"""What tests of plugins may import, by where it is."""
HOOKS: Final = ("hookimpl", "DROP", "Installation")
SETTINGS: Final[Mapping[str, type[Struct]]] = {
    "At the top of the file": Settings,
    "[server]": ServerSettings,
    "[journal]": JournalSettings,
    "[control]": ControlSettings,
    "[output.NAME]": OutputSettings,
    "only, of an output": Only,
    "at_most, of an output": AtMost,
    '[device."SERIAL"]': DeviceSettings,
    "[protocol.NAME]": ProtocolSettings,
    "[protocol.NAME.boxes]": BoxSettings,
}
_SECTIONS: Final = ("server", "journal", "control", "output", "device", "protocol")
_MADE: Final = "<!-- Written by `python -m tests.reference` from what stands in the code. -->\n"


def pages() -> dict[str, str]:
    """The text of every page by its name."""
    found = {name: _page(title, _names(names)) for name, (title, names) in FACE.items()}
    found["testing"] = _page("Testing: what `bridge.testing` has", [*_testing()])
    found["hooks"] = _page("Hooks", [*_hooks(), *_names(HOOKS)])
    found["settings"] = _page("Settings: every key but the outputs' own", _settings())
    found["commands"] = _page("Commands", _commands())
    found["metrics"] = _page("Metrics", asyncio.run(_metrics()))
    return found


def _page(title: str, parts: Sequence[str]) -> str:
    return f"# {title}\n\n{_MADE}\n" + "\n\n".join(parts) + "\n"


# --- What a plugin may import


def _names(names: Sequence[str]) -> list[str]:
    return [_described(name, inspect.unwrap(getattr(bridge, name))) for name in names if hasattr(bridge, name)]


def _described(name: str, it: Any) -> str:
    if inspect.isclass(it):
        return "\n\n".join(_class(name, it))
    if inspect.isfunction(it):
        return f"## {name}{_signature(it)}\n\n{doc(it)}"
    return f"## {name}\n\n{constant(name)}"


def _class(name: str, cls: type) -> Iterator[str]:
    yield f"## {name}"
    yield doc(cls)
    if rows := {row[0]: row for one in _lineage(cls) for row in fields(one)}:  # what a subclass says again counts
        table = "\n".join(f"| `{field}` | {_cell(kind)} | {_cell(meaning)} |" for field, kind, meaning in rows.values())
        yield f"| | | |\n|---|---|---|\n{table}"
    for one in _lineage(cls):
        for method, function in methods(one).items():
            awaited = "await " if inspect.iscoroutinefunction(function) else ""
            yield f"### {awaited}{method}{_signature(function)}\n\n{doc(function)}"


def _lineage(cls: type) -> list[type]:
    """Itself and what of ours it stands on, the beginning first."""
    return [one for one in reversed(cls.__mro__) if one.__module__.startswith("bridge.")]


def methods(cls: type) -> dict[str, Any]:
    """What a class itself has to call, by name; properties are among its fields."""
    own = {name: getattr(cls, name) for name in vars(cls) if not name.startswith("_")}
    return {name: it for name, it in own.items() if inspect.isfunction(it) or inspect.ismethod(it)}


def fields(cls: type) -> Iterator[tuple[str, str, str]]:
    """The public fields and properties that a class itself has: name, type, meaning."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    described = _descriptions(cls)
    bodies = [
        tree.body,
        *(one.body for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"),
    ]
    for body in bodies:
        for statement, after in zip(body, [*body[1:], None], strict=True):
            found = _field(statement)
            if found and not found[0].startswith("_"):
                yield *found, described.get(found[0]) or _text(after)
    for one in tree.body:
        if isinstance(one, ast.FunctionDef) and any(ast.unparse(by) == "property" for by in one.decorator_list):
            yield one.name, ast.unparse(one.returns) if one.returns else "", ast.get_docstring(one) or ""


def _field(statement: ast.stmt) -> tuple[str, str] | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name)):
            return name, _type(statement.annotation)
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
            return name, ""
    return None


def _type(annotation: ast.expr) -> str:
    match annotation:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *_])):
            return _type(kind)
        case ast.Subscript(value=ast.Name(id="ClassVar"), slice=kind):
            return _type(kind)
    return ast.unparse(annotation).replace("builtins.", "")


def _text(after: ast.stmt | None) -> str:
    match after:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
    return ""


def _descriptions(cls: type) -> dict[str, str]:
    if not issubclass(cls, Struct):
        return {}
    metas = {field.name: peel(field.type)[1] for field in structs.fields(cls)}
    return {name: " ".join(meta.description for meta in own if meta.description) for name, own in metas.items()}


def constant(name: str) -> str:
    """What stands below the assignment of a name in the module that it comes from."""
    for module in (bridge, hookspecs, bridge.options):
        body = ast.parse(inspect.getsource(module)).body
        for statement, after in zip(body, [*body[1:], None], strict=True):
            targets = getattr(statement, "targets", [getattr(statement, "target", None)])
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return _text(after)
    return ""


def doc(it: Any) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(it.__doc__ or "")


def _signature(function: Any) -> str:
    parameters = inspect.signature(function).parameters.values()
    return "(" + ", ".join(_parameter(one) for one in parameters if one.name != "self") + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    return str(parameter.replace(annotation=inspect.Parameter.empty))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- What tests of plugins may import


def _testing() -> Iterator[str]:
    yield "## Fixtures\n\nWhere boxbridge is installed, pytest has them.\n\n| | |\n|---|---|\n" + "\n".join(_fixtures())
    for module, names in KIT.items():
        for name in names:
            it = getattr(importlib.import_module(module), name)
            yield "\n\n".join([f"## {name}", f"`from {module} import {name}`", *_kit(it)])


def _fixtures() -> Iterator[str]:
    for one in ast.parse(inspect.getsource(pytest_plugin)).body:
        if isinstance(one, ast.FunctionDef) and any("pytest.fixture" in ast.unparse(by) for by in one.decorator_list):
            yield f"| `{one.name}` | {_cell(ast.get_docstring(one) or '')} |"


def _kit(it: Any) -> Iterator[str]:
    if inspect.isfunction(it):
        yield f"`{it.__name__}{_signature(it)}`: {doc(it)}"
        return
    yield doc(it)
    lineage = _lineage(it) if it is not HttpOutputContract else [it]  # of which the rest stands above it
    rows = [row for one in lineage for row in fields(one) if row[2] or issubclass(it, Struct)]
    if rows:
        yield "| | | |\n|---|---|---|\n" + "\n".join(
            f"| `{name}` | {_cell(kind)} | {_cell(said)} |" for name, kind, said in rows
        )
    for one in lineage:
        for name, function in methods(one).items():
            if said := doc(function):
                awaited = "await " if inspect.iscoroutinefunction(function) else ""
                yield f"### {awaited}{name}{_signature(function)}\n\n{said}"
    promises = [mark.args for one in lineage for it in methods(one).values() for mark in getattr(it, "pytestmark", ())]
    if promises:
        yield "The promises, and how each is tried:"
        tried = [f"| {promise} | {_cell(how.format(deliveries=10_000))} |" for promise, how in promises]
        yield "| | |\n|---|---|\n" + "\n".join(tried)


# --- Hooks, settings, commands, metrics


def _hooks() -> list[str]:
    return [f"## {hook.__name__}{_signature(hook)}\n\n{doc(hook)}" for hook in hookspecs.SPECIFICATIONS]


def _settings() -> list[str]:
    parts = ["What `boxbridge config` prints, key by key. The keys of an output's type are on [its page](../outputs/)."]
    for title, struct in SETTINGS.items():
        elsewhere = _SECTIONS if struct is Settings else ("options",)
        rows = [row for field in structs.fields(struct) if field.name not in elsewhere for row in row_of(field)]
        if struct is Settings:  # what a file leaves out there, the machine says
            rows = [row.replace("| required |", "|  |") for row in rows]
        parts.append("\n".join([f"## {title}", "", "| key | value | default | meaning |", "|---|---|---|---|", *rows]))
    return parts


def _commands() -> list[str]:
    context = click.Context(cli)
    commands = [(name, cli.get_command(context, name)) for name in COMMANDS]
    return [part for name, command in commands if command for part in _command(f"boxbridge {name}", command)]


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {name}", "", f"`{name} {usage}`", "", doc(command.callback)]
    if options := [_option(one) for one in command.params if isinstance(one, click.Option)]:
        lines += ["", "| option | |", "|---|---|", *options]
    yield "\n".join(lines)
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            yield from _command(f"{name} {part}", inner)


def _option(option: click.Option) -> str:
    choices = "\\|".join(option.type.choices) if isinstance(option.type, click.Choice) else ""
    value = "" if option.is_flag else f" {option.metavar or choices or option.type.name.upper()}"
    return f"| `{', '.join(option.opts)}{value}` | {_cell(option.help or '')} |"


async def _metrics() -> list[str]:
    """From the families that a daemon has, whatever happened in it."""
    with tempfile.TemporaryDirectory() as folder:
        async with bridge_with(Path(folder)) as running:
            found = list(families(running.daemon, {}, {}, {}))
    rows = [f"| `{_sample_name(one)}` | {_labels(one)} | {one.type} | {_cell(one.documentation)} |" for one in found]
    return ["\n".join(["| name | labels | type | what it tells |", "|---|---|---|---|", *rows])]


def _labels(family: Any) -> str:
    return ", ".join(f"`{label}`" for label in family._labelnames)


def _sample_name(family: Any) -> str:
    return str(family.name) + {"counter": "_total", "info": "_info"}.get(family.type, "")


def main() -> None:
    """Write all pages."""
    for name, text in pages().items():
        (FOLDER / f"{name}.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
