"""The archive output: turns deliveries into entries of an archive, and disk errors into outcomes."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from bridge import Delivery, Event, Output, OutputContext, PictureLost, Unavailable
from bridge_archive import layout
from bridge_archive.writer import Entry, Writer


class ArchiveOptions(Struct, frozen=True, kw_only=True):
    """The keys of an output of type `archive`."""

    path: Annotated[
        Path | None,
        Meta(
            description="Folder of the archive, one for each output; `archive` below `data` if left out.",
            examples=["/mnt/usb/archive"],
        ),
    ] = None
    original: Annotated[bool, Meta(description="Also keep the request as the device sent it.")] = True
    latest: Annotated[bool, Meta(description="Keep each channel's latest scene under a name that stays.")] = True


class Archive(Output):
    """Keeps every event as files: pictures, document and original request, and a line in the day's index."""

    type = "archive"
    Options = ArchiveOptions
    options: ArchiveOptions

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        self._writer = Writer(_folder(context))
        self._found_no_room = 0
        """Bytes of the event that the disk had no room for; 0 while there is room."""

    @classmethod
    def holds(cls, context: OutputContext) -> dict[str, Path]:
        """Its folder: two writers in one would take each other's half-written files for their own."""
        return {"path": _folder(context)}

    @property
    def path(self) -> Path:
        """The folder of the archive."""
        return self._writer.root

    async def open(self) -> str:
        """Make the folder and try to write in it; says where it is and how much room is left."""
        try:
            free = await self._writer.open()
        except OSError as error:
            raise self._unavailable(error) from error
        # Smaller events would still fit, and look as if this one were at fault.
        if free < 2 * self._found_no_room:
            raise Unavailable(f"archive {self.path} is full: {free:,} bytes free, {self._found_no_room:,} needed")
        self._found_no_room = 0
        return f"{self.path}, {free / 1e9:,.1f} GB free"

    async def deliver(self, delivery: Delivery) -> None:
        """Return when files, folders and the line in the index are on disk for good."""
        entry = await self._entry(delivery)
        try:
            await self._writer.write(entry)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._found_no_room = sum(map(len, entry.files.values()))
            raise self._unavailable(error) from error

    def where(self, delivery: Delivery) -> str:
        """The event's files, those that retention or people removed left out."""
        event = delivery.event
        folder = self.path / layout.folder_of(event, self.timezone)
        stem = layout.stem_of(event, self.timezone)
        endings = (*layout.picture_endings(event), ".json", ".original.json")
        files = [folder / (stem + ending) for ending in endings]
        return "\n".join(str(file) for file in files if file.exists()) or f"{folder / stem}.*: no longer there"

    async def _entry(self, delivery: Delivery) -> Entry:
        event = delivery.event
        stem = layout.stem_of(event, self.timezone)
        pictures = await self._pictures(event, stem)
        original = {f"{stem}.original.json": delivery.original.by_reference()} if self.options.original else {}
        document = f"{stem}.json"
        return Entry(
            folder=layout.folder_of(event, self.timezone),
            files={**pictures, **original, document: delivery.document},
            document=document,
            index=layout.index_of(event, self.timezone),
            received=event.received.timestamp(),
            **self._latest(event, stem, pictures),
        )

    async def _pictures(self, event: Event, stem: str) -> dict[str, bytes]:
        """The pictures by file name, without those that are lost."""
        pictures: dict[str, bytes] = {}
        for picture, ending in zip(event.pictures, layout.picture_endings(event), strict=True):
            try:
                pictures[stem + ending] = await picture.read()
            except PictureLost as error:
                self.log.warning("archived without a picture", event_id=event.id, role=picture.role, reason=str(error))
        return pictures

    def _latest(self, event: Event, stem: str, pictures: dict[str, bytes]) -> dict[str, str]:
        """The fields of an entry that make its scene the channel's latest."""
        endings = zip(event.pictures, layout.picture_endings(event), strict=True)
        ending = next((ending for picture, ending in endings if picture is event.scene), "")
        if not self.options.latest or not ending or stem + ending not in pictures:
            return {}
        return {"scene": stem + ending, "latest": layout.latest_of(event, ending)}

    def _unavailable(self, error: OSError) -> Unavailable:
        """A disk may be mended, mounted or made room on: nothing is counted against the event."""
        where = f" ({error.filename})" if error.filename and Path(error.filename) != self.path else ""
        return Unavailable(f"archive {self.path} can't be written: {error.strerror or error}{where}")


def _folder(context: OutputContext) -> Path:
    path: Path | None = context.options.path
    return context.data / (path or "archive")
