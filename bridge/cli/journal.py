"""`boxbridge journal`: look after the journal's files, without a daemon or beside one."""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click
import msgspec
from msgspec import Struct

from bridge import log
from bridge.cli.client import data_folder
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, filter_options, json_option, source_of
from bridge.cli.screen import show, show_json
from bridge.errors import BadData, FileTrouble, UsageError, why
from bridge.event import utc_now
from bridge.figures import as_bytes
from bridge.journal.access import denied, left_to_owner
from bridge.journal.export import Export, Wanted
from bridge.journal.export import target as into
from bridge.journal.folder import INDEX
from bridge.journal.inspect import Finding, Inspection
from bridge.journal.lock import locked
from bridge.journal.rebuild import rebuild
from bridge.journal.segment import NewerFormat
from bridge.words import say, translated

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group("journal")
def journal_command() -> None:
    """Check the journal's files, make its index again, or take events out of it."""


def folder_option(command: _Command) -> _Command:
    """The option `--folder`, for another journal than the configuration's, such as a copy."""
    return click.option(
        "--folder", type=click.Path(path_type=Path), metavar="FOLDER", help="This journal, and not the configured one."
    )(command)


class Report(Struct, frozen=True):
    """What `journal check --json` prints."""

    journal: str
    sound: bool
    """Whether nothing was found that does harm."""
    fast: bool
    segments: int
    bytes: int
    first: int
    next: int
    pushes: int
    """How many were read: with `fast` those of the newest segment only; so are events and pictures."""
    events: int
    pictures: int
    findings: list[Finding]


@journal_command.command("check")
@click.option("--fast", is_flag=True, help="Read all headers, but of the records only the newest segment's.")
@lang_option
@json_option
@folder_option
@config_option
def check_command(fast: bool, lang: str, as_json: bool, folder: Path | None, config: Path | None) -> None:
    """Name each damaged event and picture, what is missing, and an index that is out of step.

    It only reads, so a daemon may be at work. Exit code 65 where something is damaged.
    """
    folder = journal_folder(folder, config)
    with trouble_in(folder):
        inspection = Inspection(folder, fast=fast)
        with _bar(lang, sum(segment.size for segment in inspection.read_through)) as bar:
            findings = list(inspection.findings(bar.update))
    harm = sum(finding.harm for finding in findings)
    report = Report(
        journal=str(folder),
        sound=not harm,
        fast=fast,
        segments=len(inspection.segments),
        bytes=inspection.bytes,
        first=inspection.first,
        next=inspection.next,
        pushes=inspection.pushes,
        events=inspection.events,
        pictures=inspection.pictures,
        findings=findings,
    )
    if as_json:
        show_json(msgspec.to_builtins(report))
    else:
        show(*(_line(finding, lang) for finding in findings), _summary(report, lang))
    if harm:
        raise BadData(f"{harm} {'fault' if harm == 1 else 'faults'} in {folder}")


@journal_command.command("rebuild")
@lang_option
@folder_option
@config_option
def rebuild_command(lang: str, folder: Path | None, config: Path | None) -> None:
    """Make the index again from the segments, with the daemon stopped.

    What a sound index knows of events whose records are damaged stays in it. With one that is damaged itself that is
    lost, and nothing else; a start makes such a one again by itself.
    """
    folder = journal_folder(folder, config)
    log.configure("text", "info", zone=source_of(config).timezone)
    logging.getLogger("boxbridge.journal").addFilter(lambda record: _told(record, lang))
    began = time.monotonic()
    with locked(folder), left_to_owner(folder), trouble_in(folder):
        try:
            events = rebuild(folder)
        except (sqlite3.Error, OSError) as error:
            raise FileTrouble(
                f"the index in {folder} can't be made: {why(error)}; the next start tries again"
            ) from error
    show(say(lang, "rebuilt", index=folder / INDEX, events=events, seconds=time.monotonic() - began))


def _told(record: logging.LogRecord, lang: str) -> bool:
    """Have the log of a command speak as the command does."""
    record.msg = translated(lang, record.msg)
    return True


@journal_command.command("export")
@click.argument("target", type=click.Path(path_type=Path), metavar="FOLDER|FILE.tar")
@filter_options
@click.option("--original", is_flag=True, help="Also the request of each event, byte for byte.")
@lang_option
@folder_option
@config_option
def export_command(
    target: Path,
    original: bool,
    lang: str,
    folder: Path | None,
    config: Path | None,
    **asked: str | None,
) -> None:
    """Take events out as files: each one's document, pictures, and if asked for the request it came in.

    It only reads, so a daemon may be at work. What is damaged is named and passed over; the exit code is 65 then.
    """
    folder, source = journal_folder(folder, config), source_of(config)
    zone, device = source.timezone, asked["device"]
    times = {name: _when(asked[name], zone) for name in ("since", "until")}
    devices = frozenset((device, source.called(device)) if device is not None else ())
    wanted = Wanted(**times, devices=devices, kind=asked["kind"], originals=original)
    with trouble_in(folder):
        taken = Export(folder, wanted, zone)
        try:
            with into(target) as put, _bar(lang, taken.bytes) as bar:
                damaged = list(taken.run(put, bar.update))
        except OSError as error:
            raise FileTrouble(
                f"{error.filename or target}: {error.strerror or error}; nothing was kept of it"
            ) from error
    show(*(translated(lang, sentence) for sentence in damaged), to=sys.stderr)
    show(say(lang, "exported", target=target, events=taken.events, pictures=taken.pictures))
    if damaged:
        raise BadData(f"damaged, and not in it: {len(damaged)}, see above")


def _when(text: str | None, zone: ZoneInfo) -> int:
    from bridge.control.answers import Wrong
    from bridge.control.times import milliseconds

    try:
        return milliseconds(text, zone, utc_now()) if text else 0
    except Wrong as error:
        raise UsageError(str(error)) from error


def journal_folder(folder: Path | None, config: Path | None) -> Path:
    """The journal that is meant; raises FileTrouble where there is none."""
    folder = folder or data_folder(config) / "journal"
    try:
        there = folder.is_dir()
    except PermissionError as error:
        raise denied(folder, folder) from error
    if not there:
        what = "is no folder" if folder.exists() else "is not there"
        raise FileTrouble(f"{folder} {what}: the first `boxbridge run` makes a journal, or name one with --folder")
    return folder


@contextmanager
def trouble_in(folder: Path) -> Iterator[None]:
    """Say in one sentence what keeps a journal from being read; raises FileTrouble and BadData."""
    try:
        yield
    except NewerFormat as error:
        raise BadData(f"{error}. Nothing was touched: use the newer version") from error
    except PermissionError as error:
        raise denied(Path(error.filename or folder), folder) from error
    except OSError as error:
        raise FileTrouble(f"the journal in {folder} can't be read: {why(error)}") from error


def _bar(lang: str, length: int) -> Any:
    """Progress for people at a terminal."""
    return click.progressbar(length=length, file=sys.stderr, hidden=not sys.stderr.isatty(), label=say(lang, "reading"))


def _line(finding: Finding, lang: str) -> str:
    line = say(lang, "finding", file=finding.file, what=translated(lang, finding.sentence))
    return line if finding.harm else say(lang, "note", finding=line)


def _summary(report: Report, lang: str) -> str:
    read = say(lang, "read newest" if report.fast else "read through", events=report.events, pictures=report.pictures)
    well = "well as far as read" if report.fast and report.segments > 1 else "all is well"
    return say(
        lang,
        "journal is empty" if report.next == report.first else "journal holds",
        journal=report.journal,
        segments=say(lang, "1 segment" if report.segments == 1 else "segments", count=report.segments),
        size=as_bytes(report.bytes),
        first=report.first,
        last=report.next - 1,
        read=say(lang, well, read=read) if report.sound else read,
    )
