"""Archives in a folder of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge import OutputContext
from bridge_archive.output import Archive, ArchiveOptions
from tests.plugins.deliveries import SHANGHAI


def archive_in(folder: Path, **options: Any) -> Archive:
    """An archive output whose data folder is this one."""
    settings = ArchiveOptions(**options)
    return Archive(OutputContext(name="local", options=settings, site="plant-a", data=folder, timezone=SHANGHAI))


def files_in(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
