"""Webhooks that trust the same share what that takes."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from bridge_webhook.trust import trust


def test_the_same_trust_is_one_context_and_another_is_another(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt").read_bytes())
    system, own, careless = trust(None, insecure=False), trust(ca, insecure=False), trust(None, insecure=True)
    assert trust(None, insecure=False) is system
    assert trust(ca, insecure=False) is own
    assert len({system, own, careless}) == 3
    assert (system.verify_mode, careless.verify_mode) == (ssl.CERT_REQUIRED, ssl.CERT_NONE)
    os.utime(ca, (1, 1))  # another file by now
    assert trust(ca, insecure=False) is not own
