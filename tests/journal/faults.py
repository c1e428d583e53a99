"""Faults planted into the system calls that the journal makes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest


class Fault:
    """Makes a call of `os` fail: the next `times` times, after it was let through `after` times."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, number: int, *, times: int = 1, after: int = 0) -> None:
        self._call: Callable[..., Any] = getattr(os, call)
        self._number = number
        self._after = after
        self._left = times
        self.hits = 0
        patch.setattr(os, call, self)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._after > 0:
            self._after -= 1
        elif self._left > 0:
            self._left -= 1
            self.hits += 1
            if self._number == 0:  # a short write
                fd, buffers = arguments
                return self._call(fd, [b"".join(buffers)[:1000]])
            raise OSError(self._number, os.strerror(self._number))
        return self._call(*arguments, **named)

    def end(self) -> None:
        """Let all through again."""
        self._left = 0


def noted(patch: pytest.MonkeyPatch, *calls: str) -> list[str]:
    """The names of these calls of `os`, as they are made from now on."""
    made: list[str] = []

    def note(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            made.append(name)
            return real(*arguments, **named)

        patch.setattr(os, name, call)

    for name in calls:
        note(name)
    return made


SHORT = 0
FAULTS = [
    ("writev", errno.EIO),
    ("writev", errno.ENOSPC),
    ("writev", SHORT),
    ("fdatasync", errno.EIO),
    ("fdatasync", errno.ENOSPC),
]
