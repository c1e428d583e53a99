"""Disk states from a record: what may lie there if the power fails after any call.

What was synced is there. Of what was not, any part may be missing: a write whole or torn at a page, a name that was
made, changed or removed without a sync of its folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.history import Line

PAGE = 4096


@dataclass
class _File:
    """A file as it would be read, and what of that is surely on disk."""

    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data) of writes since; without data the file was cut there."""

    def content(self, dropped: int | None = None, torn: bool = False) -> bytes:
        """All of it, but for one write that did not reach the disk, or whose first page alone did."""
        data = bytearray(self.synced)
        for number, (offset, written) in enumerate(self.pending):
            if written is None:
                del data[offset:]
                data.extend(bytes(offset - len(data)))
                continue
            if number == dropped:
                written = written[: PAGE if torn else 0]  # noqa: PLW2901 - the part that arrived
                if number == len(self.pending) - 1 and not written:
                    continue
            data.extend(bytes(max(0, offset + len(written) - len(data))))
            data[offset : offset + len(written)] = written
        return bytes(data)


@dataclass(frozen=True)
class State:
    """What a start would find."""

    after: int
    """How many lines of the record had happened."""
    what: str
    files: dict[str, bytes]

    def put(self, folder: Path) -> None:
        """Lay it out."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


class Disk:
    """The disk while a record is replayed."""

    def __init__(self, folder: Path) -> None:
        """All in the folder is on disk."""
        self._files = {path.name: _File(path.read_bytes()) for path in folder.iterdir() if path.is_file()}
        self._synced_names = dict(self._files)

    def states(self, lines: list[Line]) -> Iterator[State]:
        """All states after each line, each once."""
        seen: set[int] = set()
        for number, line in enumerate(lines, 1):
            if not self._apply(line):
                continue
            for what, files in self._variants():
                answered = sum(line.name == "say" and line.words[0] == "answered" for line in lines[:number])
                mark = hash((answered, *sorted(files.items())))
                if mark not in seen:
                    seen.add(mark)
                    yield State(number, what, files)

    def _apply(self, line: Line) -> bool:
        match line.name:
            case "create":
                self._files[line.path] = _File()
            case "write":
                self._files[line.path].pending.append((line.offset, line.data))
            case "truncate":
                self._files[line.path].pending.append((line.offset, None))
            case "unlink":
                self._files.pop(line.path, None)
            case "rename":
                self._files[line.data.decode()] = self._files.pop(line.path)
            case "sync" if line.path == ".":
                self._synced_names = dict(self._files)
            case "sync":
                file = self._files[line.path]
                file.synced, file.pending = file.content(), []
            case "say":
                return line.words[0] == "answered"
            case _:
                return False
        return True

    def _variants(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        whole = {name: file.content() for name, file in self._files.items()}
        yield "all arrived", whole
        yield "nothing unsynced arrived", {name: file.synced for name, file in self._synced_names.items()}
        yield "no name arrived that was not synced", {n: file.content() for n, file in self._synced_names.items()}
        yield "no data arrived that was not synced", {name: file.synced for name, file in self._files.items()}
        for name, file in self._files.items():
            for number, (_, data) in enumerate(file.pending):
                if data is not None:
                    yield f"a write to {name} is missing", whole | {name: file.content(number)}
                    yield f"a write to {name} is torn", whole | {name: file.content(number, torn=True)}
