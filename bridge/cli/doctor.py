"""`boxbridge doctor`: looks at the machine below boxbridge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from bridge.cli.client import data_folder
from bridge.cli.options import config_option
from bridge.errors import FileTrouble
from bridge.journal.disk import BOXES, NEEDED_BYTES, PICTURE_BYTES, SMALL_BYTES, Series, measure
from bridge.journal.mount import Mount, mount_of

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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.0, max=60), default=_SECONDS, help="For each of the four series."
)
@click.option("--folder", type=click.Path(path_type=Path), metavar="FOLDER", help="This one, and not the data folder.")
@config_option
def disk_command(as_json: bool, seconds: float, folder: Path | None, config: Path | None) -> None:
    """Measure how fast the data folder's disk makes pushes safe, and say what rate of them it carries.

    Writes up to 500 MB there and removes it. A daemon at work takes its share of the figures.
    """
    report = _examine(folder or data_folder(config), seconds)
    print(msgspec.json.format(msgspec.json.encode(report)).decode() if as_json else _page(report))


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


def _page(report: Report) -> str:
    mount, rates, alone = report.mount, report.rates, report.small_alone
    kind = ", SD card or eMMC" if mount.is_card else ", a disk that turns" if mount.turns else ""
    longer = f"1 in 100 longer than {alone.sync_ms_p99:.2f} ms, the longest {alone.sync_ms_worst:.2f} ms"
    lines = [
        f"{report.folder} on {mount.device} ({mount.file_system}{kind}), {_mb(report.free)} MB free",
        f"  a sync     {alone.sync_ms:.2f} ms, {longer}",
        f"  writing    {_mb(report.picture.bytes_rate)} MB/s, with a sync for each {BOXES} pictures",
        "",
        "Pushes a second that this disk makes safe:",
        f"{'':22}{'from one box':>14}{f'from {BOXES} at once':>18}",
        f"  {'with a picture':20}{rates['picture_alone']:>14,.0f}{rates['picture']:>18,.0f}",
        f"  {'without':20}{rates['small_alone']:>14,.0f}{rates['small']:>18,.0f}",
    ]
    lines += ["", *(f"warning: {warning}" for warning in report.warnings)] if report.warnings else []
    return "\n".join(lines)


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"
