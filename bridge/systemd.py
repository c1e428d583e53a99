"""systemd and the daemon: what they say to each other over $NOTIFY_SOCKET, the devices' socket where systemd hands it
over, and the units that start it all."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from bridge.errors import FileTrouble

log = structlog.get_logger("boxbridge.systemd")

STATE_DIRECTORY = Path("/var/lib/boxbridge")
EXECUTABLE = Path("/opt/boxbridge/bin/boxbridge")
CONFIGURATION = Path("/etc/boxbridge/boxbridge.toml")

_FIRST_PASSED = 3
"""The descriptor by which systemd hands over the first socket."""

HIDDEN = {
    Path("/home"): "ProtectHome=",
    Path("/root"): "ProtectHome=",
    Path("/run/user"): "ProtectHome=",
    Path("/tmp"): "PrivateTmp=",  # noqa: S108 - named, not used
    Path("/var/tmp"): "PrivateTmp=",  # noqa: S108 - named, not used
}
"""What the service can't see, and the line of its unit that hides it."""


def ready(status: str = "") -> None:
    """The start, or a reload, is over and pushes are taken. Like all of these, nothing where systemd is not there."""
    _notify("READY=1", *([f"STATUS={status}"] if status else []))


def reloading() -> None:
    """A reload begins; `ready` ends it."""
    _notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """The daemon begins to stop."""
    _notify("STOPPING=1")


def status(text: str) -> None:
    """One line for `systemctl status`."""
    _notify(f"STATUS={text}")


def watchdog() -> None:
    """The daemon lives; to be said more often than `watchdog_seconds`."""
    _notify("WATCHDOG=1")


def watchdog_seconds() -> float | None:
    """Without `watchdog()` for so long systemd kills and restarts this process; None where it does not watch."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not watched or not microseconds.isdecimal() or not int(microseconds):
        return None
    return int(microseconds) / 1e6


def _notify(*lines: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # One line a message part: what a device named itself can't add a part of its own.
    message = "\n".join(line.replace("\n", " ") for line in lines)
    # A leading @ means Linux's abstract names, which begin with a zero byte.
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1)
            out.sendto(message.encode(), path)
    except OSError as error:
        log.warning("systemd can't be told: " + str(error), socket=address, message=lines[0])


def passed_socket() -> socket.socket | None:
    """The listening socket that systemd hands over; None where it has none. It is there once. Raises FileTrouble."""
    meant, count, _ = (os.environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if meant != str(os.getpid()):
        return None
    try:
        passed = socket.socket(fileno=_FIRST_PASSED)
        wanted = passed.family in (socket.AF_INET, socket.AF_INET6) and passed.type == socket.SOCK_STREAM
        wanted = wanted and count == "1" and bool(passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        wanted = False
    if not wanted:
        raise FileTrouble(
            "systemd hands over something else than one TCP socket that listens: make the socket unit again with "
            "`boxbridge systemd --socket`"
        )
    passed.set_inheritable(False)
    return passed


def hidden(path: Path) -> str:
    """Why a service with this unit could not see the path, in words that follow it; empty where it can."""
    for place, leads in ((path.absolute(), "lies"), (path.resolve(), f"leads to {path.resolve()},")):
        for folder, line in HIDDEN.items():
            if place.is_relative_to(folder):
                return f"{leads} where {line} hides it from the service"
    return ""


def unit(executable: Path = EXECUTABLE, configuration: Path = CONFIGURATION, writes: Sequence[Path] = ()) -> str:
    """The service unit for an installation. `writes`: the folders it writes to outside of its state directory."""
    mounts = f"RequiresMountsFor={_words(writes)}\n" if writes else ""
    writable = f"ReadWritePaths={_words(writes)}\n" if writes else ""
    command = f"{_word(executable)} run --config {_word(configuration)}".replace("$", "$$")
    return _UNIT.format(command=command, mounts=mounts, writable=writable)


def socket_unit(listen: str) -> str:
    """The socket unit that belongs to it; `listen`: where devices push to, an address and a port."""
    return _SOCKET_UNIT.format(listen=listen)


def _words(paths: Sequence[Path]) -> str:
    return " ".join(_word(path) for path in paths)


def _word(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if any(character in text for character in " \t\"'\\") else text


_UNIT = """\
[Unit]
Description=boxbridge: brings the events of AI video-analysis boxes to MQTT, archive and webhooks
Wants=network-online.target
After=network-online.target
{mounts}# The device's power comes and goes: never give up.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# A wrong call or configuration is not mended by trying again.
RestartPreventExitStatus=2 78
# Reading a large journal on a slow card takes a while.
TimeoutStartSec=5min
WatchdogSec=60
User=boxbridge
Group=boxbridge
UMask=0027
StateDirectory=boxbridge
StateDirectoryMode=0750
WorkingDirectory=%S/boxbridge
EnvironmentFile=-/etc/boxbridge/env
LimitNOFILE=65536
{writable}
# It sees and touches what it needs, and nothing else.
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateMounts=yes
ProtectProc=invisible
ProcSubset=pid
ProtectHostname=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
DevicePolicy=closed
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_SOCKET_UNIT = """\
[Unit]
Description=boxbridge: where AI video-analysis boxes push to

[Socket]
ListenStream={listen}
# So many connections may wait while the service starts again.
Backlog=2048
NoDelay=yes
# At boot the address may come later than this.
FreeBind=yes

[Install]
WantedBy=sockets.target
"""
