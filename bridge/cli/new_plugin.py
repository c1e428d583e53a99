"""`boxbridge plugins new`: a package to begin a plugin with, which works, and is tested, as it is written."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import click

from bridge import API_VERSION
from bridge.cli.language import lang_option
from bridge.errors import FileTrouble, UsageError
from bridge.plugins import Plugins
from bridge.words import say

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST: Final = 31
_ENDING: Final = ".txt"
_DESCRIPTIONS: Final = {
    "output": "An output of boxbridge: posts each event to a service.",
    "normalizer": "A normalizer of boxbridge: reads the pushes of a device.",
}
_DEPENDENCIES: Final = {"output": '["boxbridge", "httpx2", "msgspec"]', "normalizer": '["boxbridge", "msgspec"]'}


@click.command("new")
@click.argument("name")
@click.option("--normalizer", is_flag=True, help="One that reads a protocol; else an output.")
@lang_option
def new_command(name: str, normalizer: bool, lang: str) -> None:
    """Write a package for an output called NAME into the folder boxbridge-NAME, with options, tests and README."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(f'"{name}" is no name for a plugin: up to {_LONGEST} of a-z, 0-9 and -, as in "gate-log"')
    plugins = Plugins().load()
    if name in plugins.outputs or name in plugins.normalizers:
        raise UsageError(f'there is a plugin that brings "{name}" already: give it another name')
    folder = Path(f"boxbridge-{name}")
    _write(folder, "normalizer" if normalizer else "output", name)
    click.echo(say(lang, "plugin written", folder=folder, module=f"{_module(name)}.py"))
    click.echo(f"  cd {folder}\n  pip install -e '.[dev]'\n  pytest")


def _write(folder: Path, kind: str, name: str) -> None:
    module = _module(name)
    filled = {
        "name": name,
        "module": module,
        "wheel": module,
        "distribution": folder.name,
        "class_name": "".join(part.capitalize() for part in name.split("-")),
        "api_version": repr(API_VERSION),
        "description": _DESCRIPTIONS[kind],
        "dependencies": _DEPENDENCIES[kind],
    }
    names = {"module.py": f"{module}.py", "test.py": f"test_{module}.py"}
    try:
        folder.mkdir()
        skeleton = files("bridge.cli") / "skeleton"
        for template in (*(skeleton / kind).iterdir(), *(skeleton / "both").iterdir()):
            file = template.name.removesuffix(_ENDING)
            text = Template(template.read_text("utf-8")).substitute(filled)
            (folder / names.get(file, file)).write_text(text, "utf-8")
    except FileExistsError:
        raise FileTrouble(f"{folder} is there already: move it away, or give the plugin another name") from None
    except OSError as error:
        raise FileTrouble(f"{error.filename} can't be written: {error.strerror}.") from None


def _module(name: str) -> str:
    return f"boxbridge_{name.replace('-', '_')}"
