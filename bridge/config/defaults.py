"""What the machine says where the configuration says nothing: site, data folder, time zone."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo


def site() -> str:
    """The host's name."""
    return socket.gethostname()


def data(environment: Mapping[str, str]) -> Path:
    """What systemd gives as `StateDirectory=`, else a folder in the current one."""
    state = environment.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(state or "boxbridge-data").absolute()


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
