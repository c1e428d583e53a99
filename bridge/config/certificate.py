"""The certificate that devices are shown."""

from __future__ import annotations

import ssl
from pathlib import Path


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """What a listener speaks TLS by; `key` may be in the same file. Raises ValueError with a sentence."""
    for file in filter(None, (cert, key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise ValueError(f"can't read {file}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        sentence = f"{cert} is no certificate with its private key, both as PEM and without password ({reason})"
        raise ValueError(sentence) from None
    return context


def _no_password() -> str:
    """In place of asking at the terminal, which the library would do."""
    raise ValueError("it is encrypted")
