"""Webhooks that trust the same share what that takes."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from bridge import Stopped
from bridge.words import translated
from bridge_webhook.trust import trust
from tests.certificates import self_signed


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


def test_a_key_with_a_pass_phrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    locked = tmp_path / "locked.key"
    command = ["openssl", "ec", "-in", str(key), "-aes256", "-passout", "pass:hunter2", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(Stopped, match=f"cert file {cert} can't be used: its key is encrypted") as told:
        trust(None, insecure=False, cert=cert, key=locked)
    assert translated("zh", str(told.value)) == f"cert 文件 {cert} 无法使用：其私钥已加密；私钥不能带密码"


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="No such file"):
        trust(tmp_path / "ca.pem", insecure=False)
