"""The errors that a person reads. Each is one sentence that says what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar, Final

_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")


def why(error: object) -> str:
    """An error in words, without the number that Python puts before those of the system; its name where it has none."""
    return _NUMBER.sub("", str(error)) or type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End a sentence on an unknown name with `, did you mean "protocol"?`, where one of the known names is near."""
    near = difflib.get_close_matches(name, known, 1)
    return f', did you mean "{near[0]}"?' if near else ""


class BridgeError(Exception):
    """Something that a person has to mend; the text is for them, without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(BridgeError):
    """A command was called wrongly."""

    exit_code = 2


class BadData(BridgeError):
    """A file or answer is not what it should be."""

    exit_code = 65


class OutputUnreachable(BridgeError):
    """An output's far side, or the daemon, can't be reached."""

    exit_code = 69


class FileTrouble(BridgeError):
    """A file, folder, port or disk can't be used."""

    exit_code = 74


class NoConfiguration(BridgeError):
    """There is no configuration where one was looked for."""

    exit_code = 78


class Problem(Exception):
    """One fault of a configuration, at its place."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}   {what}")
        self.where = where
        """file:line:column"""
        self.what = what


class ConfigError(BridgeError):
    """A configuration can't be used; says all that is wrong with it at once, and what follows from that."""

    exit_code = 78

    def __init__(self, problems: list[Problem], so: str = "Nothing was started.") -> None:
        self.problems = problems
        width = max(len(problem.where) for problem in problems)
        lines = [f"{problem.where:<{width}}  {problem.what}" for problem in problems]
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        super().__init__("\n".join([*lines, f"{count}. {so}"]))
