"""`boxbridge archive`: verify an archive, take one event out of it as a case, hold one against retention."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bridge import Installation, OutputContext
from bridge_archive import durable
from bridge_archive.case import export
from bridge_archive.finding import stem_of_id
from bridge_archive.manifest import head
from bridge_archive.output import folder_of
from bridge_archive.retention import HOLDS
from bridge_archive.verify import Summary, verify
from bridge_archive.words import say

_FAULTY = 65

_config = click.option(
    "-c", "--config", type=click.Path(path_type=Path), envvar="BOXBRIDGE_CONFIG", metavar="FILE",
    help="The configuration; looked for if left out.",
)  # fmt: skip
_output = click.option("--output", metavar="NAME", help="Which archive, where there are several.")


@click.group("archive")
def archive_command() -> None:
    """The archive's files: verify them, export an event as a case, hold one."""


@archive_command.command("verify")
@click.option("--head", "only_head", is_flag=True, help="Only print the head, to be kept elsewhere.")
@click.option("--known", default="", metavar="HEAD", help="A head that was kept: it must still be in the chain.")
@_output
@_config
@click.pass_obj
def verify_command(
    installation: Installation, only_head: bool, known: str, output: str | None, config: Path | None
) -> None:
    """Find each file that was changed or removed since its day was sealed."""
    root = folder_of(_chosen(installation, output, config))
    language = installation.language
    summary = Summary()
    found = 0
    with _trouble_at(root):
        if only_head:
            click.echo(head(root) or say(language, "nothing sealed"))
            return
        for finding in verify(root, known, summary):
            found += 1
            click.echo(say(language, finding.kind, path=finding.path, detail=finding.detail))
    told = "verified" if not found else "faults"
    click.echo(say(language, told, faults=found, root=root, files=summary.files, lists=summary.lists))
    if summary.removed:
        click.echo(say(language, "days removed", days=summary.removed))
    if summary.open:
        click.echo(say(language, "not sealed", files=summary.open))
    click.get_current_context().exit(_FAULTY if found else 0)


@archive_command.command("export")
@click.argument("event")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, metavar="CASE.zip")
@_output
@_config
@click.pass_obj
def export_command(installation: Installation, event: str, out: Path, output: str | None, config: Path | None) -> None:
    """Write EVENT, by its id, as a zip file that stands for itself: pictures, document, request, story, digests."""
    context = _chosen(installation, output, config)
    stem = _stem(context, event, installation.language)
    try:
        story: Any = installation.ask(f"/api/v1/why/{event}", config)
    except Exception as error:  # noqa: BLE001 - the daemon may be stopped, and the case is whole without it
        story = None
        click.echo(say(installation.language, "no story", reason=error), err=True)
    with _trouble_at(out):
        names = export(folder_of(context), stem, story, out)
    for name in names:
        click.echo(f"{out}: {name}")


@archive_command.command("hold")
@click.argument("event", required=False)
@click.option("--release", is_flag=True, help="Let it go again.")
@_output
@_config
@click.pass_obj
def hold_command(
    installation: Installation, event: str | None, release: bool, output: str | None, config: Path | None
) -> None:
    """Keep EVENT, and with it its whole day, whatever retention says; without EVENT list what is held."""
    context, language = _chosen(installation, output, config), installation.language
    folder = folder_of(context) / HOLDS
    with _trouble_at(folder):
        held = {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}
        if event is None:
            for name, path in held.items():
                click.echo(f"{name}   {path.read_text('utf-8').strip()}")
        elif release:
            if event not in held:
                raise click.ClickException(say(language, "not held", event=event))
            held[event].unlink()
            click.echo(say(language, "released", event=event))
        else:
            stem = _stem(context, event, language)
            durable.make_folder(folder)
            durable.write_file(folder / event, f"{stem.as_posix()}\n".encode(), time.time())
            durable.sync_folder(folder)
            click.echo(say(language, "held", event=event, day=stem.parts[0]))


@contextmanager
def _trouble_at(path: Path) -> Iterator[None]:
    """Say in one sentence what the disk does not let be done."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {error.strerror or error}") from error


def _chosen(installation: Installation, name: str | None, config: Path | None) -> OutputContext:
    there = {context.name: context for context in installation.outputs("archive", config)}
    if name is None and len(there) == 1:
        return next(iter(there.values()))
    if name in there:
        return there[name]
    sentence = "which archive" if there else "no archive"
    raise click.UsageError(say(installation.language, sentence, names=", ".join(there)))


def _stem(context: OutputContext, event: str, language: str) -> Path:
    root = folder_of(context)
    stem = stem_of_id(root, event, context.timezone)
    if stem is None:
        raise click.ClickException(say(language, "no such event", event=event, root=root))
    return stem
