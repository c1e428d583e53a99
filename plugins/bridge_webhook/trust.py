"""Which authorities a webhook trusts. Webhooks that trust the same share one context: each takes nearly a megabyte."""

from __future__ import annotations

import ssl
from pathlib import Path
from weakref import WeakValueDictionary

_contexts: WeakValueDictionary[tuple[Path | None, float, bool], ssl.SSLContext] = WeakValueDictionary()
"""Those in use, by file, when that was changed, and whether anybody is trusted."""


def trust(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """The context for these; reads the file, and raises OSError where that can't be used. Blocks for some 20 ms."""
    terms = ca, ca.stat().st_mtime if ca else 0.0, insecure
    context = _contexts.get(terms)
    if context is None:
        context = ssl.create_default_context(cafile=ca)
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _contexts[terms] = context
    return context
