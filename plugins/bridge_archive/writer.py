"""The writer of an archive: puts many events on disk at once, so that they share the waiting for the disk.

One thread takes all entries that wait as one batch, writes and syncs their files in a small pool of threads, renames
them, syncs each folder that changed once, and only then is any of the batch done. While it works the next batch
gathers. The event loop never waits for the disk. On a slow disk a batch of many files is synced at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from bridge import Share, Size, Threads
from bridge_archive import durable
from bridge_archive.filesystem import synced_as_one, syncs_as_one
from bridge_archive.layout import LATEST

SYNCS_AT_ONCE = 16
"""Files that are written and synced at the same time: file systems with a journal let them share one commit."""

_MOST_SETTLED = 10_000

_SLOW = 0.002
"""Seconds of one sync from which on a disk is slow, as cards and USB sticks are."""
_FEW = 4
"""So many are synced by themselves on a slow disk too: syncing all may have to wait for what others write there."""


class Entry(Struct, frozen=True, kw_only=True):
    """What one event becomes on disk. Paths are below the archive."""

    folder: Path
    files: dict[str, bytes]
    """By name, in the order in which the names appear; the document last: where it is, the rest is."""
    document: str
    """Which of the files is the event document; it is also the event's line in the index."""
    index: Path
    received: float
    """Seconds since 1970; also the files' time of change."""
    scene: str = ""
    """Which of the files is to be the channel's latest scene, if any."""
    latest: str = ""
    """Its name in the folder `latest`."""


class NoRoom(Exception):
    """The disk has less room than the archive is to leave; the text says how much."""


class Writer:
    """Writes entries below one folder. Its threads start with the first write and end with the object."""

    def __init__(self, root: Path, min_free: Share | Size) -> None:
        self.root = root
        self._min_free = min_free
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []
        self._turns: asyncio.Task[None] | None = None
        # One thread, and it stays: where a dead network share holds it, no second one is sent after it.
        self._batches = Threads("archive-batch", 1)
        self._files = Threads("archive-file", SYNCS_AT_ONCE)
        self._settled: set[Path] = set()
        self._lines_alone: set[Path] = set()
        """Documents that have their line, and could not be given their name yet."""
        self._syncs_as_one = False

    async def open(self) -> int:
        """Make the folder, try to write in it, and return how many bytes are free there; raises OSError."""
        free: int = await self._batches.run(self._open)
        return free

    async def guard(self) -> None:
        """See to it that room is left; raises NoRoom, OSError."""
        await self._batches.run(self._guard)

    def _guard(self) -> None:
        disk = shutil.disk_usage(self.root)
        least = self._min_free if isinstance(self._min_free, Size) else int(self._min_free * disk.total)
        if disk.free < least:
            raise NoRoom(f"{amount(disk.free)} are free on its disk, `min_free` is {self._min_free}")

    async def write(self, entry: Entry) -> None:
        """Return when the entry is on disk for good; raises NoRoom, or OSError when it or its batch is not."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns())
        await done

    async def _take_turns(self) -> None:
        while self._waiting:
            batch = [(entry, done) for entry, done in self._waiting if not done.done()]
            entries = [entry for entry, _ in batch]
            self._waiting = []
            failure: BaseException | None = None
            try:
                await self._batches.run(partial(self._write_batch, entries))
            except Exception as error:  # noqa: BLE001 - it is raised in each delivery of the batch
                failure = error
            for _, done in batch:
                if done.done():
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _open(self) -> int:
        self._settled.clear()
        durable.make_folder(self.root)
        probe = self.root / ".probe.part"
        began = time.monotonic()
        durable.write_file(probe, b"boxbridge", 0)
        slow = time.monotonic() - began > _SLOW
        probe.unlink(missing_ok=True)
        self._syncs_as_one = slow and syncs_as_one(self.root)
        return shutil.disk_usage(self.root).free

    def _write_batch(self, entries: list[Entry]) -> None:
        self._guard()
        entries = list({(entry.folder, entry.document): entry for entry in entries}.values())
        latest = _newest_scenes(entries)
        made, changed = self._make_folders(entries, latest=bool(latest))
        self._write_beside(entries)
        # The line before the document's name: where the document is, no second line is needed.
        self._add_lines([entry for entry in entries if not self._has_line(entry)])
        for entry in entries:
            for name in entry.files:
                final = self.root / entry.folder / name
                _beside(final).replace(final)
            self._lines_alone.discard(entry.folder / entry.document)
        for entry in latest:
            self._replace_latest(entry)
        self._sync_folders(changed)
        self._settle(made)

    def _make_folders(self, entries: list[Entry], *, latest: bool) -> tuple[set[Path], set[Path]]:
        """Make what folders are missing; returns them, and all folders in which this batch changes names."""
        wanted = {entry.folder for entry in entries} | ({Path(LATEST)} if latest else set())
        made: set[Path] = set()
        for folder in wanted:
            for level in reversed((folder, *folder.parents[:-1])):
                if level not in self._settled and level not in made:
                    (self.root / level).mkdir(exist_ok=True)
                    made.add(level)
        return made, {self.root / folder for folder in wanted | {level.parent for level in made}}

    def _settle(self, made: set[Path]) -> None:
        """Remember folders that need not be looked at again; a person who removes one sends us through `open`."""
        if len(self._settled) > _MOST_SETTLED:
            self._settled.clear()
        self._settled |= made

    def _write_beside(self, entries: list[Entry]) -> None:
        files = [
            (_beside(self.root / entry.folder / name), data, entry.received)
            for entry in entries
            for name, data in entry.files.items()
        ]
        try:
            if len(files) > _FEW and self._syncs_as_one:
                with synced_as_one(self.root):
                    self._each(lambda file: durable.write_file(*file, sync=False), files)
            else:
                self._each(lambda file: durable.write_file(*file), files)
        except OSError:
            # Makes room on a full disk. What can't be removed is harmless: the next attempt writes over it.
            with contextlib.suppress(OSError):
                for path, _, _ in files:
                    path.unlink(missing_ok=True)
            raise

    def _sync_folders(self, folders: set[Path]) -> None:
        if len(folders) > _FEW and self._syncs_as_one:
            with synced_as_one(self.root):
                pass
        else:
            self._each(durable.sync_folder, folders)

    def _add_lines(self, entries: list[Entry]) -> None:
        lines: dict[Path, list[bytes]] = {}
        for entry in entries:
            lines.setdefault(entry.index, []).append(entry.files[entry.document])
        for index, new in lines.items():
            durable.append_lines(self.root / index, new)
        self._lines_alone |= {entry.folder / entry.document for entry in entries}

    def _has_line(self, entry: Entry) -> bool:
        document = entry.folder / entry.document
        alone = document in self._lines_alone and (self.root / entry.index).exists()
        return alone or (self.root / document).exists()

    def _replace_latest(self, entry: Entry) -> None:
        picture, target = self.root / entry.folder / entry.scene, self.root / LATEST / entry.latest
        with contextlib.suppress(FileNotFoundError):
            if target.stat().st_mtime > picture.stat().st_mtime:
                return  # an old event that comes again
        beside = _beside(target)
        beside.unlink(missing_ok=True)
        try:
            beside.hardlink_to(picture)
        except OSError:
            # FAT and some network file systems have no links.
            durable.write_file(beside, entry.files[entry.scene], entry.received)
        beside.replace(target)

    def _each(self, work: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Do the work for all items at once and wait until none is under way; raises what the first of them raised."""
        futures = [self._files.submit(partial(work, item)) for item in items]
        wait(futures)
        for future in futures:
            future.result()


def amount(size: int) -> str:
    """Bytes for people."""
    unit, factor = next((one for one in (("GB", 1e9), ("MB", 1e6)) if size >= one[1]), ("kB", 1e3))
    return f"{size / factor:,.1f} {unit}"


def _beside(final: Path) -> Path:
    """The temporary name of a file. Always the same, so that what a crash left is written over by the next attempt."""
    return final.with_name(f".{final.name}.part")


def _newest_scenes(entries: list[Entry]) -> list[Entry]:
    in_order = sorted(entries, key=lambda entry: entry.received)
    return list({entry.latest: entry for entry in in_order if entry.scene}.values())
