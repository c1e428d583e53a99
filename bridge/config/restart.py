"""What only a restart takes over: at a reload these keys keep the values that are in force."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from bridge.config.settings import Settings

KEYS: Final = ("data", "server.listen", "control.listen", "plugins_dir")
TLS: Final = "server.cert"
"""Whether there is a certificate at all; another one is taken over as it is."""


def without_restart(running: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """The new settings as far as a running daemon takes them over, and the changed keys that wait for a restart."""
    waiting = [key for key in KEYS if attrgetter(key)(new) != attrgetter(key)(running)]
    server = replace(new.server, listen=running.server.listen)
    if bool(new.server.cert) != bool(running.server.cert):
        server = replace(server, cert=running.server.cert, key=running.server.key)
        waiting.append(TLS)
    taken = replace(
        new,
        data=running.data,
        plugins_dir=running.plugins_dir,
        server=server,
        control=replace(new.control, listen=running.control.listen),
    )
    return taken, waiting
