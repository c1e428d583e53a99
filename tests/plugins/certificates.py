"""Certificates made by openssl: an authority, a server and a client of its, and servers that nobody should trust."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_KINDS = {
    "server": "subjectAltName=IP:127.0.0.1",
    "client": "extendedKeyUsage=clientAuth",
    "elsewhere": "subjectAltName=DNS:elsewhere.example",
}


class Certificates:
    """A folder of them; raises FileNotFoundError where there is no openssl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = folder / "ca.pem"
        self._run("req", "-x509", "-subj", "/CN=authority", "-days", "2", *self._new("ca"))
        self._run("req", "-x509", "-subj", "/CN=stranger", "-days", "2", *self._new("stranger"), *_holding("127.0.0.1"))
        signed_by = ("-CA", str(self.ca), "-CAkey", str(self.key("ca")))
        for name, extension in _KINDS.items():
            subject = ("-subj", f"/CN={name}", "-addext", extension)
            self._run("req", "-x509", *subject, *signed_by, "-days", "2", *self._new(name))
        self._run("req", "-new", "-subj", "/CN=expired", *_holding("127.0.0.1"), *self._new("expired"))
        request = ("-in", str(self.path("expired")), "-out", str(self.path("expired")))
        self._run(
            "x509", "-req", *request, *signed_by, "-copy_extensions", "copy", "-days", "-1"
        )  # `req` takes no negative number

    def path(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def server(self, name: str) -> ssl.SSLContext:
        """What a server with this certificate serves with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name), self.key(name))
        return context

    def _new(self, name: str) -> tuple[str, ...]:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(self.key(name)))
        return (*key, "-out", str(self.path(name)))

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _holding(address: str) -> tuple[str, str]:
    return "-addext", f"subjectAltName=IP:{address}"
