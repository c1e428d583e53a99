"""What commands show: no text of a device or a far side moves the cursor, hides itself or begins a line of its own."""

from __future__ import annotations

import json
from typing import Any

from bridge.log import escaped, escaped_json


def show(*lines: str) -> None:
    """Print lines for people."""
    for line in lines:
        print(escaped(line))


def show_json(document: Any) -> None:
    """Print one line for programs."""
    print(escaped_json(json.dumps(document, ensure_ascii=False)))
