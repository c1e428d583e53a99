"""`boxbridge plugins install` and `uninstall`: packages that bring plugins, in boxbridge's own environment."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution
from pathlib import Path
from typing import Final

import click

from bridge import __version__
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, source_of
from bridge.errors import BadData, BridgeError, FileTrouble, UsageError
from bridge.plugins import GROUP, Plugins
from bridge.words import say

_OWN: Final = "boxbridge"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIP_SECONDS: Final = 900


@click.command("install")
@click.argument("package")
@click.option(
    "--find-links", "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
    help="Take all packages from this folder, as where there is no internet.",
)  # fmt: skip
@lang_option
def install_command(package: str, folder: Path | None, lang: str) -> None:
    """Install PACKAGE, a plugin's name or wheel, beside boxbridge, which keeps its version."""
    file = Path(package)
    if file.is_dir():
        raise UsageError(f"{package} is a folder: make a wheel of it first, with pip wheel --no-deps -w dist {package}")
    links = ["--no-index", "--find-links", str(folder)] if folder else []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraint:
        constraint.write(f"{_OWN}=={__version__}\n")
        constraint.flush()
        _pip("install", *links, "--constraint", constraint.name, package)
    if file.is_file():  # of a version that is there already, nothing was taken
        _pip("install", *links, "--force-reinstall", "--no-deps", package)
    importlib.invalidate_caches()
    installed = _installed(_name_of(package))
    brings = _brought(installed, lang)
    click.echo(say(lang, "plugin installed", name=installed.name, version=installed.version, brings=brings))


@click.command("uninstall")
@click.argument("name")
@config_option
@lang_option
def uninstall_command(name: str, config: Path | None, lang: str) -> None:
    """Take the plugin's package NAME away again."""
    there = {entry.dist.name: entry.dist for entry in importlib.metadata.entry_points(group=GROUP) if entry.dist}
    there.pop(_OWN, None)
    if name not in there:
        raise UsageError(f'no plugin is installed as "{name}": there are {", ".join(sorted(there)) or "none"}')
    entries = {entry.name for entry in there[name].entry_points if entry.group == GROUP}
    types = {kind for plugin in Plugins().load().loaded if plugin.name in entries for kind in plugin.outputs}
    for output, kind in _configured(config).items():
        if kind in types:
            raise UsageError(f"output {output} is of type {kind}, which {name} brings: remove its table first")
    _pip("uninstall", "--yes", name)
    click.echo(say(lang, "plugin gone", name=name))


def _pip(*arguments: str) -> None:
    """Run pip of this environment; what it says is shown where it fails, which raises BridgeError."""
    if importlib.util.find_spec("pip") is None:
        raise FileTrouble(f"there is no pip in {sys.prefix}: {sys.executable} -m ensurepip brings it")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    ended = subprocess.run(  # noqa: S603 - what the user asks for
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_PIP_SECONDS, check=False
    )
    if ended.returncode != 0:
        click.echo(ended.stdout.strip(), err=True)
        raise BridgeError(f"pip {arguments[0]} failed, see above; nothing was changed")


def _name_of(package: str) -> str:
    """The distribution that a wheel or a requirement names."""
    match = _NAME.match(Path(package).name.partition("-")[0] if Path(package).is_file() else package)
    if match is None:
        raise UsageError(f'"{package}" is neither a package\'s name nor a wheel')
    return match[0]


def _installed(name: str) -> Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise BadData(f"pip installed {name} under another name: boxbridge plugins shows what it brings") from None


def _brought(installed: Distribution, lang: str) -> str:
    """What its plugins bring; raises BadData where that is nothing, or can't be loaded."""
    entries = {entry.name for entry in installed.entry_points if entry.group == GROUP}
    said = f"{installed.name} is installed, and"
    if not entries:
        raise BadData(f"{said} brings no plugin: it has no entry point in the group {GROUP}")
    plugins = Plugins().load()
    for broken in plugins.broken:
        if broken.name in entries:
            remedy = f"boxbridge plugins uninstall {installed.name} takes it away"
            raise BadData(f"{said} can't be loaded; {remedy}. {broken.reason}")
    loaded = [plugin for plugin in plugins.loaded if plugin.name in entries]
    kinds = [say(lang, "brings output", name=kind) for plugin in loaded for kind in plugin.outputs]
    kinds += [say(lang, "brings protocol", name=kind) for plugin in loaded for kind in plugin.normalizers]
    return say(lang, "and").join(kinds or [say(lang, "brings hook", name=hook) for one in loaded for hook in one.hooks])


def _configured(config: Path | None) -> dict[str, str]:
    """The type of each output of the configuration, whatever else may be wrong in it."""
    tables = source_of(config).tables.get("output")
    outputs = tables.items() if isinstance(tables, dict) else ()
    return {name: str(table.get("type")) for name, table in outputs if isinstance(table, dict)}
