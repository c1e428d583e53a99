"""The archive keeps the contract of outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import json

from bridge.testing.contract import Arrived, OutputContract
from bridge_archive.output import Archive


class TestArchive(OutputContract):
    """Its far side is a folder; it is away when a file lies in its place."""

    output = Archive
    wrong = (("keep", "1h"), ("size", "1kB"), ("min_free", "200%"))
    deliveries = 600

    def reach(self, folder: Path) -> Mapping[str, Any]:
        self.root, self.aside = folder / "archive", folder / "aside"
        self.root.mkdir()
        return {"path": self.root}

    def cut(self) -> None:
        self.root.rename(self.aside)
        self.root.write_bytes(b"")

    def mend(self) -> None:
        self.root.unlink()
        self.aside.rename(self.root)

    def arrived(self) -> Iterable[Arrived]:
        for file in self.root.glob("2*/*/*/*[!l].json"):  # those of originals end in .original.json
            document = file.read_bytes()
            pictures = [other.read_bytes() for other in file.parent.glob(f"{file.stem}*") if "json" not in other.name]
            yield Arrived(id=json.decode(document)["id"], document=document, pictures=tuple(pictures))

    def leave(self) -> None:
        """The folder goes with the test's."""
