"""A push as the log has it: its record's fixed part, and its pictures, cut out of the body."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.event import Event, encode_document
from bridge.journal.push import FreshPictures, Record
from bridge.journal.record import EventEntry, PictureEntry, PushBlob, to_milliseconds
from bridge.journal.waiting import Entry
from bridge.normalizer import Cutout, Parsed, Push


def blob_of(push: Push, parsed: Parsed, events: tuple[Event, ...]) -> tuple[PushBlob, tuple[bytes, ...]]:
    """The record of a push, and its pictures, each once."""
    pictures = {cutout.sha256: cutout for cutout in parsed.pictures}
    numbers = {sha256: number for number, sha256 in enumerate(pictures)}
    body, cuts = _cut(push.body, parsed.pictures, numbers)
    blob = PushBlob(
        received=to_milliseconds(push.received),
        device=parsed.key.device,
        msg_id=parsed.key.msg_id,
        digest=parsed.key.digest,
        message=parsed.message,
        peer=push.peer,
        method=push.method,
        path=push.path,
        query=push.query,
        content_type=push.headers.get("content-type", ""),
        events=tuple([_entry(event) for event in events]),
        body=body,
        cuts=cuts,
        pictures=tuple([PictureEntry(len(cutout.data), cutout.sha256) for cutout in pictures.values()]),
    )
    return blob, tuple([cutout.data for cutout in pictures.values()])


def _entry(event: Event) -> EventEntry:
    occurred, document = to_milliseconds(event.occurred), encode_document(event)
    return EventEntry(event.id, event.kind, event.device.id, event.channel.id, occurred, document)


def record_of(sequence: int, entry: Entry) -> Record:
    """The record of an entry that is on disk now."""
    pictures = FreshPictures(entry.blob.pictures, entry.pictures)
    return Record(sequence, entry.size, entry.blob, pictures, entry.waiting.events)


def _cut(
    body: bytes, pictures: tuple[Cutout, ...], numbers: Mapping[str, int]
) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """The body without the base64 of its pictures, and where each one belongs."""
    spans = sorted((cutout.span, numbers[cutout.sha256]) for cutout in pictures if cutout.span is not None)
    pieces: list[bytes] = []
    cuts: list[tuple[int, int]] = []
    start = place = 0
    for (begin, end), number in spans:
        pieces.append(body[start:begin])
        place += begin - start
        cuts.append((place, number))
        start = end
    pieces.append(body[start:])
    return b"".join(pieces), tuple(cuts)
