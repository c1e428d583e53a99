"""The archive output: turns deliveries into entries of an archive, and disk errors into outcomes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from bridge import Delivery, Duration, Event, Output, OutputContext, PictureLost, Share, Size, Unavailable
from bridge_archive import layout
from bridge_archive.finding import files_of, stem_of_id
from bridge_archive.keeper import Keeper
from bridge_archive.writer import Entry, NoRoom, Writer, amount

_YEARS = 3650 * 86_400


class ArchiveOptions(Struct, frozen=True, kw_only=True):
    """The keys of an output of type `archive`."""

    path: Annotated[
        Path | None,
        Meta(
            description="Folder of the archive, one for each output; `archive` below `data` if left out.",
            examples=["/mnt/usb/archive"],
        ),
    ] = None
    layout: Annotated[
        str,
        Meta(
            description="Where an event's files lie and how their names begin, by a template.",
            examples=["{date}/{device}/{hour}/{kind}_{time}_{id}"],
            max_length=200,
        ),
    ] = layout.TEMPLATE
    original: Annotated[bool, Meta(description="Also keep the request as the device sent it.")] = True
    annotated: Annotated[
        bool, Meta(description="Also keep a copy of the scene with regions, boxes, tracks and counts drawn on it.")
    ] = False
    latest: Annotated[bool, Meta(description="Keep each channel's latest scene under a name that stays.")] = True
    keep: Annotated[
        Annotated[Duration, Meta(ge=86_400, le=_YEARS)] | None,
        Meta(description="Days older than this are removed; for ever if left out.", examples=["90d"]),
    ] = None
    size: Annotated[
        Annotated[Size, Meta(ge=1_000_000)] | None,
        Meta(description="The oldest days are removed beyond this; no bound if left out.", examples=["200GB"]),
    ] = None
    min_free: Annotated[
        Annotated[Share, Meta(le=1)] | Size,
        Meta(description='With less room on its disk it waits; also as "5GB".', examples=["10%"]),
    ] = Share("2%")

    def faults(self) -> Iterator[str]:
        """What is wrong with them, "key: what is wrong"."""
        return (f"layout: {fault}" for fault in layout.faults_of(self.layout))


class Archive(Output):
    """Keeps every event as files: pictures, document and original request, and a line in the day's index."""

    type = "archive"
    Options = ArchiveOptions
    options: ArchiveOptions

    def __init__(self, context: OutputContext) -> None:
        super().__init__(context)
        keep = None if self.options.keep is None else timedelta(seconds=self.options.keep)
        self._layout = layout.Layout(self.options.layout, self.timezone)
        self._writer = Writer(folder_of(context), self.options.min_free)
        self._keeper = Keeper(self._writer.root, self.timezone, keep, self.options.size, self.log)
        self._found_no_room = 0
        """Bytes of the event that the disk had no room for; 0 while there is room."""

    @classmethod
    def holds(cls, context: OutputContext) -> dict[str, Path]:
        """Its folder: two writers in one would take each other's half-written files for their own."""
        return {"path": folder_of(context)}

    @property
    def path(self) -> Path:
        """The folder of the archive."""
        return self._writer.root

    async def open(self) -> str:
        """Make the folder and try to write in it; says where it is and how much room is left."""
        try:
            free = await self._writer.open()
            self._keeper.start()  # before it is known whether there is room: it may be the keeper who makes some
            await self._writer.guard()
        except (NoRoom, OSError) as error:
            raise self._unavailable(error) from error
        # Smaller events would still fit, and look as if this one were at fault.
        if free < 2 * self._found_no_room:
            raise Unavailable(f"archive {self.path} is full: {free:,} bytes free, {self._found_no_room:,} needed")
        self._found_no_room = 0
        return self._found(free)

    async def check(self) -> str:
        """As `open`, beside a daemon that looks after the archive."""
        try:
            free = await self._writer.open()
            await self._writer.guard()
        except (NoRoom, OSError) as error:
            raise self._unavailable(error) from error
        return self._found(free)

    async def deliver(self, delivery: Delivery) -> str:
        """Return when files, folders and the line in the index are on disk for good: what is not among them."""
        entry, less = await self._entry(delivery)
        try:
            await self._writer.write(entry)
        except (NoRoom, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._found_no_room = sum(map(len, entry.files.values()))
            raise self._unavailable(error) from error
        self._keeper.changed(entry.folder.parts[0])
        return "; ".join(less)

    async def close(self) -> None:
        """Look after it no more."""
        self._keeper.stop()

    def where(self, delivery: Delivery) -> str:
        """The event's files, those that retention or people removed left out."""
        stem = self._layout.stem_of(delivery.event)
        files = files_of(self.path, stem)
        if not files and (found := stem_of_id(self.path, delivery.event.id, self.timezone)):
            files = files_of(self.path, found)  # it came when the layout was another one
        return "\n".join(map(str, files)) or f"{self.path / stem}.*: no longer there"

    async def _entry(self, delivery: Delivery) -> tuple[Entry, list[str]]:
        event = delivery.event
        place = self._layout.stem_of(event)
        stem = place.name
        pictures, less = await self._pictures(event, stem)
        drawn = await self._annotated(event, stem)
        original = {f"{stem}.original.json": delivery.original.by_reference()} if self.options.original else {}
        document = f"{stem}.json"
        entry = Entry(
            folder=place.parent,
            files={**pictures, **drawn, **original, document: delivery.document},
            document=document,
            index=Path(place.parts[0], layout.INDEX),
            received=event.received.timestamp(),
            **self._latest(event, stem, pictures),
        )
        return entry, less

    async def _pictures(self, event: Event, stem: str) -> tuple[dict[str, bytes], list[str]]:
        """The pictures by file name, and which are not among them because they are lost."""
        pictures: dict[str, bytes] = {}
        less: list[str] = []
        for picture, ending in zip(event.pictures, layout.picture_endings(event), strict=True):
            try:
                pictures[stem + ending] = await picture.read()
            except PictureLost as error:
                self.log.warning("archived without a picture", event_id=event.id, role=picture.role, reason=str(error))
                less.append(f"{picture.role}: left out, {error}")
        return pictures, less

    async def _annotated(self, event: Event, stem: str) -> dict[str, bytes]:
        """The annotated copy of the scene by file name, where it is wanted and can be had."""
        if not self.options.annotated:
            return {}
        try:
            drawn = await self.annotated(event)
        except PictureLost:  # said where the scene itself was read
            drawn = None
        return {} if drawn is None else {stem + layout.ANNOTATED: drawn}

    def _latest(self, event: Event, stem: str, pictures: dict[str, bytes]) -> dict[str, str]:
        """The fields of an entry that make its scene the channel's latest."""
        endings = zip(event.pictures, layout.picture_endings(event), strict=True)
        ending = next((ending for picture, ending in endings if picture is event.scene), "")
        if not self.options.latest or not ending or stem + ending not in pictures:
            return {}
        return {"scene": stem + ending, "latest": layout.latest_of(event, ending)}

    def _found(self, free: int) -> str:
        return f"{self.path}, {amount(free)} free"

    def _unavailable(self, error: OSError | NoRoom) -> Unavailable:
        """A disk may be mended, mounted or made room on: nothing is counted against the event."""
        if isinstance(error, NoRoom):
            return Unavailable(f"archive {self.path}: {error}")
        where = f" ({error.filename})" if error.filename and Path(error.filename) != self.path else ""
        return Unavailable(f"archive {self.path} can't be written: {error.strerror or error}{where}")


def folder_of(context: OutputContext) -> Path:
    """The folder of an archive output."""
    path: Path | None = context.options.path
    return context.data / (path or "archive")
