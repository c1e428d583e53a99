"""The units by which systemd starts boxbridge: the service, hardened, and the devices' socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bridge.config.defaults import SYSTEM_FOLDER
from bridge.config.load import NAME

EXECUTABLE = Path("/opt/boxbridge/bin/boxbridge")
CONFIGURATION = SYSTEM_FOLDER / NAME

HIDDEN = {
    Path("/home"): "ProtectHome=",
    Path("/root"): "ProtectHome=",
    Path("/run/user"): "ProtectHome=",
    Path("/tmp"): "PrivateTmp=",  # noqa: S108 - named, not used
    Path("/var/tmp"): "PrivateTmp=",  # noqa: S108 - named, not used
}
"""What the service can't see, and the line of its unit that hides it."""


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
