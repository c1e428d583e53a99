"""The table of what far sides and disks did, and what came of it; `BOXBRIDGE_TABLE=FILE` writes it."""

from __future__ import annotations

import os
from pathlib import Path


def note(case: str, what: str, lost: int, duplicates: int, seconds: float, gained: int | None = None) -> None:
    """Add a row. `seconds`: until all was delivered once the far side was well; `gained`: bytes of memory."""
    if file := os.environ.get("BOXBRIDGE_TABLE"):
        memory = "" if gained is None else f"  {gained / 1e6:>5.1f} MB"
        counted = f"lost {lost:>2}  twice {duplicates:>2}  {seconds:>5.1f} s{memory}"
        with Path(file).open("a", encoding="utf-8") as table:
            table.write(f"{case:<44}  {what[:96]:<96}  {counted}\n")
