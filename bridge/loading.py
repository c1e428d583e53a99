"""Bringing the code of a plugin in: what an entry point or a drop-in file names, and in one sentence why it failed."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from bridge import API_VERSION

LOAD_SECONDS: Final = 60.0
"""A plugin that takes longer to load, as one that waits for a network at its import, is a broken one."""
_AGAIN_SECONDS: Final = 1.0


class Unfit(ValueError):
    """Something that is no plugin for this boxbridge; the text says what is wrong, and what would be right."""


class TooLong(BaseException):
    """Loading takes too long. No Exception, so that code that tries for ever does not swallow it."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """What a plugin does while it is loaded costs nobody else: the output of commands, the log, or for ever.

    What it prints goes to stderr, handlers that it hangs into the root logger are taken out again, and what takes
    longer than `LOAD_SECONDS` is interrupted with TooLong.
    """
    root = logging.getLogger()
    handlers = [*root.handlers]
    with redirect_stdout(sys.stderr), _limited(LOAD_SECONDS):
        try:
            yield
        finally:
            root.handlers[:] = handlers


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """By the timer that a process has for its main thread, where plugins are loaded; in others there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TooLong

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, interrupt)
    # Again and again, for code that catches even what is no Exception.
    left, again = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's, who set it before
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)), again)


def import_entry(entry: importlib.metadata.EntryPoint) -> Any:
    """What an entry point names; raises Unfit where it is no longer there."""
    name = entry.dist.name if entry.dist else entry.name
    remedy = f"install {name} anew, or take it away: boxbridge plugins uninstall {name}"
    try:
        plugin: Any = importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        if not f"{entry.module}.".startswith(f"{error.name}."):
            raise
        raise Unfit(f"its entry point names {entry.module}, which is not there: {remedy}") from None
    for attribute in entry.attr.split(".") if entry.attr else ():
        if not hasattr(plugin, attribute):
            raise Unfit(f"its entry point names {entry.value}, which is not there: {remedy}")
        plugin = getattr(plugin, attribute)
    return plugin


def import_file(file: Path) -> ModuleType:
    """The module that a drop-in file is; raises Unfit, and whatever its code raises."""
    name = f"boxbridge_plugins.{file.stem}"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise Unfit("this is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def sentence(error: BaseException, origin: str) -> str:
    """What went wrong, with the line of the plugin where it did."""
    if isinstance(error, SyntaxError):
        return _no_source(error, origin)
    if isinstance(error, Unfit):
        return str(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    return (f"line {lines[-1]}: " if lines else "") + _raised(error)


def _no_source(error: SyntaxError, origin: str) -> str:
    if error.lineno is None:
        return f"it is no Python source: {error.msg}"
    file = f"{error.filename}, " if error.filename not in (None, origin) else ""
    return f"{file}line {error.lineno}: {error.msg}"


def _raised(error: BaseException) -> str:
    if isinstance(error, TooLong):
        return f"it was not loaded within {LOAD_SECONDS:g} s: what takes long belongs into open()"
    if isinstance(error, ModuleNotFoundError):
        return f"it needs the module {error.name}, which is not there: install it beside boxbridge"
    if isinstance(error, ImportError) and error.name == "bridge":
        there = f"this boxbridge has version {dotted(API_VERSION)} of the plugin API"
        return f"{error.msg.partition(' (')[0]}: {there}; install a newer one, or correct the name"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def dotted(version: Sequence[int]) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))
