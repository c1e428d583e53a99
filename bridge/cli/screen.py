"""What commands show: no text of a device or a far side moves the cursor, hides itself or begins a line of its own."""

from __future__ import annotations

import json
from typing import Any, TextIO

from bridge.log import escaped, escaped_json


def show(*lines: str, to: TextIO | None = None) -> None:
    """Print lines for people, to stdout if `to` is left out."""
    for line in lines:
        print(escaped(line), file=to)


def show_json(document: Any) -> None:
    """Print one line for programs."""
    print(escaped_json(json.dumps(document, ensure_ascii=False)))
