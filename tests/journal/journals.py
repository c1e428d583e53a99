"""Journals to break: pushes to put into them, and ways to open, copy and read them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pybase64

from bridge.event import Event, Picture, new_id, utc_now
from bridge.journal.journal import From, Journal, Keep, Limits, Record, Stored
from bridge.journal.record import Kind, fixed_part, seed
from bridge.journal.segment import Damage, Found, Segment, read_header
from bridge.normalizer import Cutout, Key, Parsed, Push
from bridge.testing.sample import sample_event

FOR_EVER = Keep(settled=1e9, dead=1e9)
TINY = Limits(segment_bytes=24_576, alignment=4096, spare_bytes=65_536)
ONE_OUTPUT: Mapping[str, From] = {"out": "oldest"}


def a_push(
    msg_id: str, *, device: str = "box", digest: bytes = b"1", events: int = 1, pictures: tuple[bytes, ...] = ()
) -> tuple[Push, Parsed]:
    """A push with this many events, each of which has all of the pictures."""
    encoded = [pybase64.b64encode(picture) for picture in pictures]
    body = b'{"msg_id":"' + msg_id.encode() + b'","pictures":["' + b'","'.join(encoded) + b'"]}'
    cutouts, start = [], 0
    for picture, text in zip(pictures, encoded, strict=True):
        start = body.index(b'"' + text + b'"', start) + 1
        cutouts.append(
            Cutout(data=picture, sha256=sha256(picture).hexdigest(), span=(start, start + len(text)) if text else None)
        )
    received = utc_now()
    push = Push(
        method="POST",
        path="/push",
        query="",
        headers={"content-type": "application/json"},
        body=body,
        peer="127.0.0.1",
        received=received,
    )
    named = tuple(
        Picture(role="scene", media_type="image/jpeg", width=1, height=1, size=len(cutout.data), sha256=cutout.sha256)
        for cutout in cutouts
    )
    made = tuple(
        _event().with_(id=new_id(received), msg_id=msg_id, description=f"{msg_id} {n}", pictures=named)
        for n in range(events)
    )
    key = Key(device, msg_id, digest)
    return push, Parsed(message="test", device=device, key=key, events=made, pictures=tuple(cutouts))


@lru_cache(maxsize=1)
def _event() -> Event:
    return sample_event(small=True)


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    outputs: Mapping[str, From] = ONE_OUTPUT,
    *,
    keep: Keep = FOR_EVER,
    limits: Limits | None = None,
) -> AsyncIterator[Journal]:
    """A journal that is open."""
    journal = Journal(folder, keep, limits)
    await journal.open(outputs)
    try:
        yield journal
    finally:
        await journal.close()


async def store(journal: Journal, msg_id: str, **push: object) -> Stored:
    """Append a push."""
    made, parsed = a_push(msg_id, **push)  # type: ignore[arg-type]
    return await journal.append(made, parsed, parsed.events)


async def store_all(journal: Journal, msg_ids: list[str]) -> None:
    """Append pushes at the same time, so that they make groups."""
    await asyncio.gather(*(store(journal, msg_id) for msg_id in msg_ids))


async def contents(journal: Journal) -> dict[int, str]:
    """The msg_id of every push that can be read from disk, by its first sequence, proven with all its pictures."""
    found = {}
    sequence = journal.log.first
    while sequence < journal.next:
        read = await asyncio.to_thread(journal.log.read_blocking, sequence)
        sequence = read.until
        if isinstance(read, Record):
            assert read.event(read.sequence) is None or read.document(read.sequence)
            for entry in read.blob.pictures:
                assert sha256(read.pictures.read_blocking(entry.sha256)).hexdigest() == entry.sha256
            found[read.sequence] = read.blob.msg_id
    return found


async def contents_of(folder: Path) -> set[str]:
    """The msg_ids that a journal holds once it has been started anew."""
    async with running(folder) as journal:
        return set((await contents(journal)).values())


def crash_image(journal: Journal, to: Path) -> Path:
    """What a crash at this moment would leave: a copy of the files of a journal that goes on."""
    but_the_spare = shutil.ignore_patterns("spare")  # it comes and goes
    return shutil.copytree(journal.folder, to, ignore=but_the_spare, copy_function=_copy_if_there)


def _copy_if_there(source: str, to: str) -> None:
    """The oldest segment may be deleted meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, to)


def segment_files(folder: Path) -> list[Path]:
    """The segments' files, oldest first."""
    return sorted(folder.glob("*.seg"))


def newest_segment(folder: Path) -> Path:
    """The file that was begun last."""
    return segment_files(folder)[-1]


def records(path: Path, kind: Kind) -> list[Found]:
    """The sound records of one kind in a segment file."""
    return [found for found in everything(path) if isinstance(found, Found) and found.prefix.kind == kind]


def everything(path: Path) -> list[Found | Damage]:
    """All that a segment file holds."""
    return list(Segment(path, read_header(path)).records())


def damage(path: Path, offset: int, data: bytes | None = None) -> None:
    """Write over bytes of a file; without data, flip one bit."""
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(1)
        file.seek(offset)
        file.write(bytes([old[0] ^ 1]) if data is None else data)


def garble(path: Path, found: Found) -> None:
    """Put a sound record in the place of one, which says nothing that this version understands."""
    header, prefix = read_header(path), found.prefix
    blob = b"\xc1" * prefix.blob_size  # msgpack never begins with it
    own = seed(header.uuid, header.number)
    damage(path, found.offset, fixed_part(prefix.kind, prefix.sequence, prefix.count, blob, prefix.tail_size, own))


def cut(path: Path, size: int) -> None:
    """Cut a file."""
    with path.open("r+b") as file:
        file.truncate(size)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition that another thread or process brings about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
