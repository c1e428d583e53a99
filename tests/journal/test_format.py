"""The page docs/journal.md: a reader that knows nothing but it reads real segments, and its fields are the code's."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import pybase64
import pytest

from bridge.journal import record, segment
from tests.journal.faults import Fault
from tests.journal.journals import TINY, a_push, contents, damage, records, running, segment_files, store, store_all

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).parents[2] / "docs" / "journal.md").read_text()


class Reading(NamedTuple):
    """What a reader made of a folder."""

    pushes: dict[int, list[Any]]
    """Blobs of live pushes, each with its pictures at the end, by sequence."""
    state: list[Any]
    """The newest whole state."""
    changes: list[list[Any]]
    """All after it."""


def number(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")


def read_folder(folder: Path) -> Reading:
    """Written after the page, with none of the journal's code."""
    files = [(header, path) for path in folder.glob("*.seg") if (header := read_header(path.read_bytes()))]
    files.sort(key=lambda pair: pair[0]["number"])
    pushes: dict[int, list[Any]] = {}
    state: list[Any] = []
    changes: list[list[Any]] = []
    for place, (header, path) in enumerate(files):
        end = files[place + 1][0]["base"] if place + 1 < len(files) else 2**64
        end = min(end, header["limit"] or end)
        for kind, sequence, blob, pictures in read_records(path.read_bytes(), header):
            if kind == 1 and header["base"] <= sequence < end:
                pushes[sequence] = [*blob, pictures]
            elif kind == 2:
                state, changes = blob, []
            elif kind == 3:
                changes.append(blob)
    return Reading(pushes, state, changes)


def read_header(data: bytes) -> dict[str, Any] | None:
    for start in (0, 4096):
        copy = data[start : start + 72]
        if copy[:8] == b"BOXBRDG\n" and crc32(copy[:68]) == number(copy, 68, 4) and number(copy, 8, 4) == 1:
            fields = {"number": 28, "base": 36, "limit": 52}
            return {"uuid": copy[12:28]} | {name: number(copy, offset, 8) for name, offset in fields.items()}
    return None


def read_records(data: bytes, header: dict[str, Any]) -> list[tuple[int, int, list[Any], list[bytes | None]]]:
    seed = crc32(header["uuid"] + header["number"].to_bytes(8, "little"))
    offset, found = 8192, []
    while (offset := data.find(b"BXr1", offset)) >= 0:
        prefix = data[offset : offset + 36]
        if len(prefix) < 36 or crc32(prefix[:28], seed) != number(prefix, 28, 4):
            offset += 1
            continue
        blob_size, tail_size = number(prefix, 12, 4), number(prefix, 16, 4)
        blob = data[offset + 36 : offset + 36 + blob_size]
        tail = data[offset + 36 + blob_size : offset + 36 + blob_size + tail_size]
        offset += 36 + blob_size + tail_size
        if crc32(blob, number(prefix, 28, 4)) == number(prefix, 32, 4) and len(tail) == tail_size:
            fields = msgspec.msgpack.decode(blob)
            pictures = read_pictures(fields[13], tail) if prefix[4] == 1 else []
            found.append((prefix[4], number(prefix, 20, 8), fields, pictures))
    return found


def read_pictures(entries: list[list[Any]], tail: bytes) -> list[bytes | None]:
    pictures: list[bytes | None] = []
    for size, digest in entries:
        picture, tail = tail[:size], tail[size:]
        sound = sha256(picture).hexdigest() == digest
        pictures.append(picture if sound else None)
    return pictures


def body_of(push: list[Any]) -> bytes:
    body, cuts, pictures = push[11], push[12], push[-1]
    for place, which in reversed(cuts):
        body = body[:place] + pybase64.b64encode(pictures[which]) + body[place:]
    return bytes(body)


def open_sequences(reading: Reading, name: str) -> set[int]:
    """What an output has open, dead letters included, as state and changes say."""
    which, _, _, next_, entries, *_ = next(output for output in reading.state[1] if output[1] == name)
    open_ = {entry[0] for entry in entries}
    for moves, changes, *_ in reading.changes:
        mine = [change for change in changes if change[0] == which]
        for output, until in moves:
            if output == which:
                open_ |= set(range(next_, until))
                next_ = until
        for _, sequence, outcome, _, _, _, until in mine:
            if outcome in ("again", "replay"):
                open_.add(sequence)
            elif outcome in ("delivered", "expired", "dropped", "none"):
                open_.discard(sequence)
            elif outcome == "skipped":
                open_ -= set(range(sequence, until))
    return open_


async def test_a_reader_after_the_page_finds_every_push_whole(tmp_path: Path) -> None:
    pictures = (b"one picture" * 500, b"another", b"one picture" * 500)
    made, parsed = a_push("whole", events=2, pictures=pictures)
    async with running(tmp_path, limits=TINY) as journal:
        stored = await journal.append(made, parsed, parsed.events)
        for n in range(20):
            await store_all(journal, [f"m{n}", f"n{n}"])
        await store(journal, "none", events=0)
        expected = await contents(journal)
    reading = read_folder(tmp_path)
    assert {sequence: push[2] for sequence, push in reading.pushes.items()} == expected
    push = reading.pushes[stored.sequence]
    assert push[1:4] == [parsed.key.device, parsed.key.msg_id, parsed.key.digest]
    assert [msgspec.json.decode(event[5])["id"] for event in push[10]] == [event.id for event in parsed.events]
    assert push[-1] == [*pictures[:2]]
    assert body_of(push) == made.body


async def test_it_knows_where_outputs_stand(tmp_path: Path) -> None:
    async with running(tmp_path, {"out": "oldest", "idle": "oldest"}) as journal:
        await store_all(journal, [f"m{n}" for n in range(9)])
        cursor = journal.cursors["out"]
        cursor.take(7)
        cursor.settle(1, "delivered", 1)
        cursor.failed(2, 1, "busy")
        cursor.bury(3, 2, "refused")
        await store(journal, "group")
        cursor.settle(4, "none")
        cursor.skip_to(9, "too much")
        cursor.take(10)
        expected = {entry.sequence for entry in [*cursor.open_entries(), *cursor.dead_letters()]}
    reading = read_folder(tmp_path)
    assert open_sequences(reading, "out") == expected == {3, 9}
    assert open_sequences(reading, "idle") == set()
    outcomes = [change[2] for _, changes, *_ in reading.changes for change in changes]
    assert outcomes == ["delivered", "retry", "dead", "none", "skipped", "skipped", "skipped", "skipped"]


async def test_it_takes_neither_the_dead_nor_the_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as journal:
        await store_all(journal, ["a", "b"])
        Fault(monkeypatch, "fdatasync", 5)
        await store_all(journal, ["c", "d"])
    first = segment_files(tmp_path)[0]
    dead = records(first, record.Kind.PUSH)
    assert len(dead) == 4
    damage(first, dead[1].offset + 60)
    assert [push[2] for push in read_folder(tmp_path).pushes.values()] == ["a", "c", "d"]


@pytest.mark.parametrize(
    "struct",
    [
        record.PushBlob,
        record.EventEntry,
        record.PictureEntry,
        record.StateBlob,
        record.OutputEntry,
        record.OpenEntry,
        record.SkippedEntry,
        record.ReplayEntry,
        record.ChangesBlob,
        record.Change,
        record.OutputNote,
        record.TurnedAway,
    ],
)
def test_the_page_names_all_fields_in_their_order(struct: type[msgspec.Struct]) -> None:
    names = ", ".join(f"`{name}`" for name in struct.__struct_fields__)
    assert names in re.sub(r"\s+", " ", PAGE)


def test_the_page_has_the_codes_sizes() -> None:
    assert f"A header has {segment.HEADER.size + 4} bytes" in PAGE
    assert f"a prefix of {record.PREFIX_SIZE} bytes" in PAGE
    assert f"format version: {segment.FORMAT_VERSION}" in PAGE
    assert f"| {segment.FIRST_RECORD} | records" in PAGE
    assert f"multiple of {segment.GROUP_ALIGNMENT:,} bytes" in PAGE
    assert [form.value for form in segment.Form] == [0, 1, 2, 3]
    assert all(re.search(rf"^\| {form.value} \| (all|of the pushes)", PAGE, re.MULTILINE) for form in segment.Form)
    assert "1 PUSH, 2 STATE, 3 CHANGES" in PAGE
    assert [kind.value for kind in (record.Kind.PUSH, record.Kind.STATE, record.Kind.CHANGES)] == [1, 2, 3]
