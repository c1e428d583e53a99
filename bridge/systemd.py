"""systemd and the daemon: what is said over $NOTIFY_SOCKET, and the devices' socket where systemd hands it over."""

from __future__ import annotations

import os
import socket
import time

import structlog

from bridge.errors import FileTrouble

log = structlog.get_logger("boxbridge.systemd")

_FIRST_PASSED = 3
"""The descriptor by which systemd hands over the first socket."""


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
