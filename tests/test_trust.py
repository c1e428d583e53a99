"""TLS of outputs: files that can't be used are told, and nobody is asked for a pass phrase."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge import Stopped, client_tls
from bridge.words import translated
from tests.certificates import locked, self_signed


def test_a_key_with_a_pass_phrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    with pytest.raises(Stopped, match=f"cert file {cert} can't be used: its key is encrypted") as told:
        client_tls(None, cert=cert, key=locked(key))
    assert translated("zh", str(told.value)) == f"cert 文件 {cert} 无法使用：其私钥已加密；私钥不能带密码"


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="No such file"):
        client_tls(tmp_path / "ca.pem")
