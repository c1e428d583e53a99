"""The command's door, and `python -m boxbridge`: Ctrl-C is quiet from here on, while all else is still being loaded."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    # Loading takes longest of all, and an exception in the middle of it would be shown with a traceback.
    waits_for_it = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits_for_it:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from bridge.cli import main as commands  # noqa: PLC0415

    if waits_for_it:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
