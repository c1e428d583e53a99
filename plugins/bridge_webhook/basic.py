"""User name and password as HTTP Basic sends them."""

from __future__ import annotations

import pybase64


def encoded(username: str, password: str) -> str:
    """What stands behind `Basic` in the header."""
    return pybase64.b64encode(f"{username}:{password}".encode()).decode()
