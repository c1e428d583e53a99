"""Whom a webhook trusts, and what it shows. Those that say the same share one context: each takes nearly a megabyte."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from bridge import Stopped

_contexts: WeakValueDictionary[Any, ssl.SSLContext] = WeakValueDictionary()
"""Those in use, by the files, when these were changed, and whether anybody is trusted."""


def trust(ca: Path | None, *, insecure: bool, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """The context for these; raises Stopped where a file can't be used. Blocks for some 20 ms."""
    terms = _version("ca", ca), _version("cert", cert), _version("key", key), insecure
    context = _contexts.get(terms)
    if context is None:
        context = _contexts[terms] = _made(ca, cert, key, insecure=insecure)
    return context


def _made(ca: Path | None, cert: Path | None, key: Path | None, *, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise _unusable("ca", ca, error) from error
    if cert:
        try:
            context.load_cert_chain(cert, key, password=_nobody_is_asked)
        except (OSError, ValueError) as error:
            raise _unusable("cert", cert, error) from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _version(option: str, file: Path | None) -> tuple[Path | None, float]:
    try:
        return file, file.stat().st_mtime if file else 0.0
    except OSError as error:
        raise _unusable(option, file, error) from error


def _unusable(option: str, file: Path | None, error: OSError | ValueError) -> Stopped:
    return Stopped(f"{option} file {file} can't be used: {getattr(error, 'strerror', None) or error}")


def _nobody_is_asked() -> str:
    """In place of asking for a pass phrase on the terminal, which OpenSSL would do."""
    raise ValueError("its key is encrypted; it must be without pass phrase")
