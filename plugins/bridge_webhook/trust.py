"""Webhooks that trust and show the same share one TLS context: each takes nearly a megabyte."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from bridge import client_tls

_contexts: WeakValueDictionary[Any, ssl.SSLContext] = WeakValueDictionary()
"""Those in use, by the files, when these were changed, and whether anybody is trusted."""


def trust(ca: Path | None, *, insecure: bool, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """As `client_tls` does."""
    terms = _version(ca), _version(cert), _version(key), insecure
    context = _contexts.get(terms)
    if context is None:
        context = _contexts[terms] = client_tls(ca, insecure=insecure, cert=cert, key=key)
    return context


def _version(file: Path | None) -> tuple[Path | None, float]:
    try:
        return file, file.stat().st_mtime if file else 0.0
    except OSError:  # as reading it will say
        return file, 0.0
