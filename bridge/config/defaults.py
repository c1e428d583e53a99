"""What the machine says where the configuration says nothing: site, data folder, time zone."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

SYSTEM_FOLDER: Final = Path("/etc/boxbridge")
"""The configuration of a service, and what belongs to it."""
STATE_DIRECTORY: Final = Path("/var/lib/boxbridge")
"""Where the unit has a service keep its data."""


def site() -> str:
    """The host's name."""
    return socket.gethostname()


def data(environment: Mapping[str, str], configuration: Path) -> Path:
    """What systemd gives as `StateDirectory=`, else the same for the service's configuration, so that commands in a
    shell find its daemon; else a folder in the current one."""
    if state := environment.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state).absolute()
    of_service = configuration.absolute().parent == SYSTEM_FOLDER
    return STATE_DIRECTORY if of_service else Path("boxbridge-data").absolute()


def timezone(environment: Mapping[str, str], etc: Path = Path("/etc")) -> ZoneInfo:
    """The system's own zone: TZ, /etc/timezone or where /etc/localtime leads; else UTC."""
    for name in _zone_names(environment, etc):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # such as TZ=CST-8, which names no zone
            continue
    return ZoneInfo("UTC")


def _zone_names(environment: Mapping[str, str], etc: Path) -> Iterator[str]:
    yield environment.get("TZ", "").removeprefix(":")
    if (etc / "timezone").is_file():
        yield (etc / "timezone").read_text("utf-8", errors="replace").strip()
    if (etc / "localtime").is_symlink():
        yield str((etc / "localtime").readlink()).partition("zoneinfo/")[2]
