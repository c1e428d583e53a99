"""Certificates that tests show."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def self_signed(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key in the folder; skips the test where openssl is not installed."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder.mkdir(exist_ok=True)
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "1", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def locked(key: Path) -> Path:
    """The same key behind a pass phrase."""
    file = key.with_suffix(".locked")
    command = ["openssl", "ec", "-in", str(key), "-aes256", "-passout", "pass:hunter2", "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file
