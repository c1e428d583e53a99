"""`boxbridge doctor`: looks at the machine below boxbridge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from bridge.cli.client import data_folder
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import FileTrouble
from bridge.journal.disk import BOXES, NEEDED_BYTES, PICTURE_BYTES, SMALL_BYTES, Series, measure
from bridge.journal.mount import Mount, mount_of
from bridge.words import cells, padded, say, translated

_SECONDS = 2.0
_FASTEST_CARD_MS = 0.3
"""No card makes a write safe in less, nor"""
_FASTEST_PLATTER_MS = 1.5
"""a disk that turns, but by keeping it in a cache that a power cut empties."""


@click.group("doctor")
def doctor_command() -> None:
    """Look at the machine below boxbridge."""


class Report(Struct, frozen=True):
    """What `doctor disk --json` prints."""

    folder: str
    mount: Mount
    free: int
    picture: Series
    """Pushes with a picture, 16 boxes at once;"""
    picture_alone: Series
    """the same from one box;"""
    small: Series
    """pushes without, 16 boxes at once,"""
    small_alone: Series
    """and from one."""
    rates: dict[str, float]
    """Pushes a second of each of these."""
    warnings: list[str]


@doctor_command.command("disk")
@click.option(
    "--seconds", type=click.FloatRange(min=0.0, max=60), default=_SECONDS, help="For each of the four series."
)
@click.option("--folder", type=click.Path(path_type=Path), metavar="FOLDER", help="This one, and not the data folder.")
@lang_option
@json_option
@config_option
def disk_command(lang: str, as_json: bool, seconds: float, folder: Path | None, config: Path | None) -> None:
    """Measure how fast the data folder's disk makes pushes safe, and say what rate of them it carries.

    Writes up to 500 MB there and removes it. A daemon at work takes its share of the figures.
    """
    report = _examine(folder or data_folder(config), seconds)
    if as_json:
        show_json(msgspec.to_builtins(report))
    else:
        show(*_page(report, lang))


def _examine(folder: Path, seconds: float) -> Report:
    if not folder.is_dir():
        raise FileTrouble(f"{folder} is no folder that is there: make it, or name another with --folder")
    try:
        mount, room = mount_of(folder), os.statvfs(folder)
        free = room.f_bavail * room.f_frsize
        if free < NEEDED_BYTES:
            raise FileTrouble(f"{folder} has {_mb(free)} MB free, and {_mb(NEEDED_BYTES)} are needed to measure")
        series = {
            "picture": measure(folder, BOXES, PICTURE_BYTES, seconds),
            "picture_alone": measure(folder, 1, PICTURE_BYTES, seconds),
            "small": measure(folder, BOXES, SMALL_BYTES, seconds),
            "small_alone": measure(folder, 1, SMALL_BYTES, seconds),
        }
    except OSError as error:
        raise FileTrouble(f"{error.filename or folder}: {error.strerror}: run this as a user who may write there, "
                          "or name another folder with --folder") from error  # fmt: skip
    rates = {name: round(one.rate, 1) for name, one in series.items()}
    warnings = list(suspicions(mount, series["small_alone"].sync_ms))
    return Report(folder=str(folder), mount=mount, free=free, rates=rates, warnings=warnings, **series)


def suspicions(mount: Mount, sync_ms: float) -> Iterator[str]:
    """What speaks against trusting this disk with what was answered."""
    if mount.in_memory:
        yield f"this is memory ({mount.file_system}): nothing of it outlives a power cut. Set `data` to a disk."
    elif mount.over_network:
        yield f"this lies on another machine ({mount.file_system}): it is as safe as that, as fast as the way there."
    if mount.no_barriers:
        yield "mounted without barriers: the disk is never asked to empty its own cache. Mount it with barriers."
    if mount.is_card and sync_ms < _FASTEST_CARD_MS:
        yield (
            f"a sync takes {sync_ms:.2f} ms, and no card is that fast: it looks as if this one says that bytes are "
            "safe when they are not. A power cut may cost pushes that were answered."
        )
    elif mount.turns and sync_ms < _FASTEST_PLATTER_MS:
        yield (
            f"a sync takes {sync_ms:.2f} ms, less than a turn of a disk: it looks as if its write cache is not "
            "emptied. Where no battery stands behind it, switch it off: hdparm -W 0."
        )


def _page(report: Report, lang: str) -> Iterator[str]:
    mount, rates, alone = report.mount, report.rates, report.small_alone
    kind = "a card" if mount.is_card else "a disk that turns" if mount.turns else ""
    yield say(lang, "disk", folder=report.folder, device=mount.device, file_system=mount.file_system,
              kind=say(lang, kind) if kind else "", free=_mb(report.free))  # fmt: skip
    syncs = say(lang, "syncs", usual=alone.sync_ms, p99=alone.sync_ms_p99, worst=alone.sync_ms_worst)
    yield f"  {padded(say(lang, 'title sync'), 11)}{syncs}"
    writes = say(lang, "writes", rate=_mb(report.picture.bytes_rate), boxes=BOXES)
    yield f"  {padded(say(lang, 'title writing'), 11)}{writes}"
    yield ""
    yield say(lang, "rates")
    yield _row("", say(lang, "from one"), say(lang, "from many", boxes=BOXES))
    yield _row(say(lang, "with a picture"), f"{rates['picture_alone']:,.0f}", f"{rates['picture']:,.0f}")
    yield _row(say(lang, "without"), f"{rates['small_alone']:,.0f}", f"{rates['small']:,.0f}")
    for warning in report.warnings:
        yield ""
        yield say(lang, "warning", warning=translated(lang, warning))


def _row(title: str, one: str, many: str) -> str:
    return f"  {padded(title, 20)}{_right(one, 14)}{_right(many, 18)}"


def _right(text: str, width: int) -> str:
    return " " * (width - cells(text)) + text


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"
