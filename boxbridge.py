"""The command's door, and `python -m boxbridge`: Ctrl-C is quiet while all else is loaded, and while Python ends."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main() -> int:
    """Run the command line; returns the exit code."""
    # Loading takes longest of all, and an exception in the middle of it would be shown with a traceback.
    interrupts = signal.getsignal(signal.SIGINT)
    _set(interrupts, _leave)
    from bridge.cli import main as commands  # noqa: PLC0415

    _set(interrupts, interrupts)
    try:
        return commands.main()
    finally:
        _set(interrupts, _leave)


def _leave(*_: object) -> None:
    os._exit(130)


def _set(interrupts: Any, handler: Any) -> None:
    if interrupts is signal.default_int_handler:  # else whoever started us wants it ignored
        signal.signal(signal.SIGINT, handler)


if __name__ == "__main__":
    sys.exit(main())
