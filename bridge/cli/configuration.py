"""The commands about the configuration: `init`, `check`, `config`, `schema`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

import click

from bridge import Output
from bridge.cli.language import lang_option
from bridge.cli.map import events_in
from bridge.cli.options import config_option, load, service_environment
from bridge.cli.plugins import usual_plugins_folder
from bridge.config.example import example
from bridge.config.in_force import in_force
from bridge.config.load import NAME, find, no_output_type
from bridge.config.protocol import ProtocolSettings
from bridge.config.schema import FILE_NAME, configuration_schema
from bridge.config.settings import JOURNAL, LEAST_QUOTA, Settings
from bridge.errors import BadData, FileTrouble, OutputUnreachable, UsageError, why
from bridge.event import document_schema
from bridge.figures import as_bytes
from bridge.fonts import OWN_FOLDER, chinese_font
from bridge.journal.quota import bytes_in, limit
from bridge.normalizer import Malformed
from bridge.plugins import Plugins
from bridge.words import cells, padded, say, translated

PATIENCE = 10.0
"""Seconds that `check --connect` waits for an output, unless its own timeout is shorter."""


@click.command("init")
@click.argument("types", metavar="TYPE...", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", default=NAME, show_default=True,
    help="- for standard output, without a schema.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@config_option
@lang_option
def init_command(types: tuple[str, ...], output: Path, force: bool, config: Path | None, lang: str) -> None:
    """Write a configuration with outputs of these types, and its schema beside it.

    Drop-in plugins are found where a configuration that is there already (-c) has them.
    """
    folder = usual_plugins_folder(config)
    plugins = Plugins().load(folder)
    for wanted in types:
        if wanted not in plugins.outputs:
            raise UsageError(no_output_type(wanted, plugins.outputs, [broken.reason for broken in plugins.broken]))
    text = example(types, plugins.outputs, _seen_from(output.absolute().parent, folder))
    if output == Path("-"):
        click.echo(text, nl=False)
        return
    if output.exists() and not force:
        raise FileTrouble(f"{output} is there already; another name with -o, or --force overwrites it.")
    schema = output.with_name(FILE_NAME)
    try:
        output.write_text(text, "utf-8")
        schema.write_text(_schema(plugins), "utf-8")
    except OSError as error:
        raise FileTrouble(f"{error.filename} can't be written: {error.strerror}.") from None
    file = "" if output == Path(NAME) else f" -c {output}"
    click.echo(say(lang, "configuration written", file=output, schema=schema))
    click.echo(f"  boxbridge check --connect{file}\n  boxbridge run{file}")


def _seen_from(place: Path, folder: Path) -> Path:
    return folder.relative_to(place) if folder.is_relative_to(place) else folder


@click.command("check")
@lang_option
@config_option
@click.option("--connect", is_flag=True, help="Try each output's far side too.")
def check_command(config: Path | None, lang: str, connect: bool) -> None:
    """Say all that is wrong with the configuration, or what it comes to."""
    environment = service_environment()
    settings, plugins = load(config, environment)
    click.echo(say(lang, "right", file=find(config, environment)))
    for title, content in _summary(settings, lang):
        click.echo(f"  {padded(say(lang, f'title {title}'), 12)}{content}")
    if (room := _room(settings)) < LEAST_QUOTA:
        warning = (
            f"the journal may have {as_bytes(max(0, room))} of the disk below {settings.data}, and should have "
            f"{as_bytes(LEAST_QUOTA)}: when it is full, pushes are refused. Free some, or give it more by `quota`."
        )
        click.echo(say(lang, "warning", warning=translated(lang, warning)))
    for name, mapping in settings.protocol.items():
        if mapping.examples is not None:
            click.echo(say(lang, "examples read", name=name, count=_read_examples(name, mapping, settings.timezone)))
    if connect:
        _connect(settings, plugins, lang)


def _room(settings: Settings) -> int:
    """Bytes that the journal may have; the least that is well where that can't be known."""
    folder = settings.data / JOURNAL
    try:
        place = next(place for place in (folder, *folder.parents) if place.exists())
        return limit(os.statvfs(place), settings.journal.quota, bytes_in(folder) if place == folder else 0)
    except OSError:
        return LEAST_QUOTA


def _read_examples(name: str, mapping: ProtocolSettings, zone: tzinfo) -> int:
    """Read each captured body by its table; returns how many there are; raises BadData with all that can't be read."""
    folder, read, faults = mapping.examples or Path(), 0, []
    if not folder.is_dir():
        raise BadData(f"protocol.{name}.examples: there is no folder {folder}")
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        try:
            events_in(name, mapping, file.read_bytes(), zone)
            read += 1
        except (Malformed, OSError) as error:
            faults.append(f"{file}: not read by [protocol.{name}]: {why(error)}")
    if faults:
        raise BadData("\n".join(faults))
    return read


@click.command("config")
@config_option
def config_command(config: Path | None) -> None:
    """Print the configuration in force, defaults too, without secrets."""
    settings, _ = load(config, service_environment())
    click.echo(in_force(settings), nl=False)


@click.command("schema")
@click.argument("of", metavar="[config|event]", type=click.Choice(["config", "event"]), default="config")
@config_option
def schema_command(of: str, config: Path | None) -> None:
    """Print a JSON Schema: of the configuration, for editors, or of the event document, for consumers."""
    text = _schema(Plugins().load(usual_plugins_folder(config))) if of == "config" else _json(document_schema())
    click.echo(text, nl=False)


def _schema(plugins: Plugins) -> str:
    return _json(configuration_schema({name: output.Options for name, output in plugins.outputs.items()}))


def _json(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _summary(settings: Settings, lang: str) -> list[tuple[str, str]]:
    """One line a section."""
    names = [
        say(lang, "output of type" if output.enabled else "output paused", name=name, type=output.type)
        for name, output in settings.output.items()
    ]
    kept = settings.journal
    journal = say(
        lang, "how long kept", quota=kept.quota, keep=kept.keep, history=kept.history, keep_dead=kept.keep_dead
    )
    lines = [
        ("site", f"{settings.site}   {settings.timezone}"),
        ("data", str(settings.data)),
        ("server", settings.server.listen),
        ("journal", journal),
        ("control", settings.control.listen or say(lang, "socket only")),
        ("outputs", "    ".join(names) or say(lang, "only kept")),
    ]
    if any(getattr(output.options, "annotated", False) is True for output in settings.output.values()):
        font, folder = chinese_font(settings.data), settings.data / OWN_FOLDER
        said = say(lang, "font found", font=font.path) if font else say(lang, "font missing", folder=folder)
        lines.append(("annotated", said))
    devices = [
        say(lang, "called", serial=serial, name=device.id or device.name) for serial, device in settings.device.items()
    ]
    return lines + ([("devices", "    ".join(devices))] if devices else [])


def _connect(settings: Settings, plugins: Plugins, lang: str) -> None:
    """Try all enabled outputs at once; raises OutputUnreachable if one is not well."""
    names = [name for name, output in settings.output.items() if output.enabled]
    found = asyncio.run(_try_all(names, settings, plugins))
    titles = [say(lang, "output of type", name=name, type=settings.output[name].type) for name in names]
    width = max(map(cells, titles), default=0)
    for title, (well, sentence) in zip(titles, found, strict=True):
        found_out = translated(lang, sentence)
        click.echo(f"{padded(title, width)}  {say(lang, 'well', found=found_out) if well else found_out}")
    failed = sum(not well for well, _ in found)
    if failed:
        raise OutputUnreachable(f"{failed} of {len(found)} outputs can't be reached.")


async def _try_all(names: Sequence[str], settings: Settings, plugins: Plugins) -> list[tuple[bool, str]]:
    return await asyncio.gather(*(_try(name, settings, plugins) for name in names))


async def _try(name: str, settings: Settings, plugins: Plugins) -> tuple[bool, str]:
    """Whether an output is well, and what it found or what is wrong."""
    configured = settings.output[name]
    patience = min(PATIENCE, float(configured.timeout))
    try:
        output: Output = plugins.outputs[configured.type](settings.context(name))
        return True, await asyncio.wait_for(output.check(), patience)
    except TimeoutError as error:
        return False, str(error) or f"no answer within {patience:g} s"
    except Exception as error:  # noqa: BLE001 - whatever an output raises is its answer
        return False, why(error)
