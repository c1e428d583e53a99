"""TLS for devices, with the installed command."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.certificates import self_signed
from tests.end_to_end.installation import Installation


class Secured(Installation):
    """An installation with a certificate."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = self_signed(folder)
        super().__init__(folder, "", f'cert = "{self.cert.name}"\nkey = "{self.key.name}"')

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection that trusts the certificate that lies there now."""
        context = ssl.create_default_context(cafile=self.cert)
        return http.client.HTTPSConnection(HOST, self.port, timeout=timeout, context=context)


def test_pushes_come_over_tls_and_a_renewed_certificate_is_taken_over_by_a_reload(tmp_path: Path) -> None:
    """Given a certificate: boxes and `send` push over it; renewed, the new one is shown; a damaged one is refused."""
    with Secured(tmp_path) as bridge:
        assert bridge.push(sample_push(small=True))[0] == 200
        assert bridge.command("send").startswith(b"HTTP 200  code 0")
        assert bridge.command("send", "--ws").startswith(b"WebSocket  code 0")
        for scheme in ("https", "wss"):
            there = f"{scheme}://{HOST}:{bridge.port}/"
            assert b"no TLS: " in bridge.command("send", "--to", there, code=69)
        self_signed(tmp_path)
        assert not bridge._answers()
        assert b"in force" in bridge.command("reload")
        assert bridge.push(sample_push(small=True))[0] == 200
        whole = bridge.key.read_bytes()
        bridge.key.write_bytes(whole[:60])
        assert b"is no certificate with its private key" in bridge.command("reload", code=78)
        assert bridge.push(sample_push(small=True))[0] == 200
        bridge.key.write_bytes(whole)
        bridge.server = ""
        bridge.configure("")
        assert b"server.cert" in bridge.command("reload")
        assert bridge.push(sample_push(small=True))[0] == 200
        assert bridge.stop() == 0
