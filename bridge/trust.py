"""Whom an output trusts when it speaks TLS, and what it shows. No certificate of our own server is found here."""

from __future__ import annotations

import ssl
from pathlib import Path

from bridge.output import Stopped


def client_tls(
    ca: Path | None, *, insecure: bool = False, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """What to connect by, of PEM files; raises Stopped where one can't be used. Takes some 20 ms, for a thread.

    `ca`: the authorities to trust, instead of the system's. `cert` is shown, `key` may be in the same file and must be
    without pass phrase: nobody is asked for one. `insecure`: anybody may pose as the far side.
    """
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


def _unusable(option: str, file: Path | None, error: OSError | ValueError) -> Stopped:
    return Stopped(f"{option} file {file} can't be used: {getattr(error, 'strerror', None) or error}")


def _nobody_is_asked() -> str:
    """In place of asking on the terminal, which OpenSSL would do."""
    raise ValueError("its key is encrypted; it must be without pass phrase")
