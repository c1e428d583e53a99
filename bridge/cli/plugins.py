"""`boxbridge plugins`: what is loaded, what it brings, and what could not be; and `new`, `install`, `uninstall`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from bridge.cli.install import install_command, uninstall_command
from bridge.cli.language import lang_option
from bridge.cli.new_plugin import new_command
from bridge.cli.options import config_option, source_of
from bridge.config.settings import PLUGINS_DIR
from bridge.errors import BridgeError
from bridge.plugins import LoadedPlugin, Plugins
from bridge.words import cells, padded, say, translated


@click.group("plugins", invoke_without_command=True)
@config_option
@click.option("--hooks", is_flag=True, help="Show the hooks that each implements.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@lang_option
@click.pass_context
def plugins_command(context: click.Context, config: Path | None, hooks: bool, as_json: bool, lang: str) -> None:
    """List the plugins that are loaded, and those that could not be; or begin, install or uninstall one."""
    if context.invoked_subcommand is not None:
        return
    plugins = Plugins().load(plugins_folder(config))
    click.echo(_json(plugins) if as_json else _table(plugins, hooks, lang))


plugins_command.add_command(new_command)
plugins_command.add_command(install_command)
plugins_command.add_command(uninstall_command)


def plugins_folder(config: Path | None) -> Path:
    """Where drop-in files lie. The rest of the configuration may be wrong, perhaps because of a broken plugin."""
    return source_of(config).plugins_dir


def usual_plugins_folder(config: Path | None) -> Path:
    """The same, for who is about to write or mend a configuration: none that was found by itself must be right."""
    try:
        return plugins_folder(config)
    except BridgeError:
        if config is not None:
            raise
        return PLUGINS_DIR


def _json(plugins: Plugins) -> str:
    document = {"plugins": plugins.loaded, "broken": plugins.broken}
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _table(plugins: Plugins, hooks: bool, lang: str) -> str:
    titles = [say(lang, f"title {title}") for title in ("plugin", "version", "origin", "brings")]
    rows = [titles, *([one.name, one.version or "-", one.origin, _brings(one, hooks, lang)] for one in plugins.loaded)]
    widths = [max(cells(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(padded, row[:3], widths), row[3]]).rstrip() for row in rows]
    broken = [say(lang, "plugin broken", reason=translated(lang, one.reason)) for one in plugins.broken]
    return "\n".join([*lines, *broken])


def _brings(plugin: LoadedPlugin, hooks: bool, lang: str) -> str:
    parts = {"output": plugin.outputs, "protocol": plugin.normalizers, "hook": plugin.hooks if hooks else ()}
    return say(lang, "and").join(
        say(lang, f"brings {kind}", name=name) for kind, names in parts.items() for name in names
    )
