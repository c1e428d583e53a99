"""The log's end: a segment that could not be synced is written again whole, or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.journal.log import Log
from bridge.journal.push import Record
from bridge.journal.record import Kind, StateBlob
from bridge.journal.tail import FailedWrite, Limits, Tail
from tests.journal.faults import Fault, noted
from tests.journal.journals import contents, contents_of, crash_image, newest_segment, records, running, store

pytestmark = pytest.mark.anyio
STATE = StateBlob(1, ())


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    tail = Tail(Log(tmp_path), b"u" * 16, Limits(), None)
    yield tail
    tail.close()


def test_nothing_is_appended_before_a_segment_began(tail: Tail) -> None:
    with pytest.raises(FailedWrite):
        tail.append([b"record"])


def test_nothing_is_appended_after_a_fault(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    tail.begin(STATE)
    Fault(monkeypatch, "fdatasync", errno.EIO)
    with pytest.raises(FailedWrite, match="Input/output error"):
        tail.append([b"record"])
    with pytest.raises(FailedWrite, match="no segment is open"):
        tail.append([b"record"])
    tail.begin(STATE)
    tail.append([b"record"])


def test_nothing_is_appended_to_a_file_that_was_deleted(tail: Tail, tmp_path: Path) -> None:
    """As by who moves the folder to another disk: what is written then is gone with the process."""
    tail.begin(STATE)
    newest_segment(tmp_path).unlink()
    with pytest.raises(FailedWrite, match="deleted"):
        tail.append([b"record"])


def test_a_name_that_is_taken_is_passed_by(tail: Tail, tmp_path: Path) -> None:
    (tmp_path / "00000041.seg").write_bytes(b"left over")
    (tmp_path / "notes.seg").write_bytes(b"somebody else's")
    tail.begin(STATE)
    assert newest_segment(tmp_path).name == "notes.seg"
    assert sorted(path.name for path in tmp_path.glob("0*.seg")) == ["00000041.seg", "00000042.seg"]
    assert (tmp_path / "00000041.seg").read_bytes() == b"left over"


def test_a_folder_that_can_not_be_listed_is_a_failed_write(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    Fault(monkeypatch, "listdir", errno.EIO)
    with pytest.raises(FailedWrite, match="no new segment can be begun: Input/output error"):
        tail.begin(STATE)


def test_a_segment_and_its_name_are_on_disk_before_it_is_used(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = noted(monkeypatch, "writev", "fdatasync", "rename", "fsync")
    tail.begin(STATE)
    tail.append([b"record"])
    assert " ".join(calls) == "writev writev fdatasync rename fsync writev fdatasync"


def test_one_file_alone_is_open_for_writing(tail: Tail, tmp_path: Path) -> None:
    for _ in range(3):
        tail.begin(STATE)
        tail.append([b"record"])
    assert segments_open() == [newest_segment(tmp_path)]
    tail.close()
    assert segments_open() == []


def segments_open() -> list[Path]:
    """Segments that this process has open for writing."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and link.readlink().suffix == ".seg":
            flags = re.search(r"flags:\s+(\d+)", (Path("/proc/self/fdinfo") / link.name).read_text())
            if flags and int(flags[1], 8) & os.O_ACCMODE == os.O_WRONLY:
                found.append(link.readlink())
    return found


async def filled(folder: Path) -> list[str]:
    msg_ids = [f"m{n}" for n in range(9)]
    async with running(folder) as journal:
        for msg_id in msg_ids:
            await store(journal, msg_id, pictures=(msg_id.encode() * 3000,), events=2)
        journal.cursors["out"].take(15)
    return msg_ids


async def test_what_could_not_be_synced_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    msg_ids = await filled(tmp_path / "journal")
    Fault(monkeypatch, "fdatasync", errno.EIO)
    async with running(tmp_path / "journal") as journal:
        old, new = journal.log.segments
        assert old.base == new.base == old.end == 1
        assert list((await contents(journal)).values()) == msg_ids
        assert journal.next == 19
        assert (await store(journal, "m3", pictures=(b"m3" * 3000,), events=2)).duplicate
        await store(journal, "after")
        old.path.unlink()  # it is not needed any more
        image = crash_image(journal, tmp_path / "image")
    assert await contents_of(image) == {*msg_ids, "after"}
    async with running(image) as journal:
        assert journal.cursors["out"].next == 15


async def test_where_it_can_not_be_written_again_it_is_read_and_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.writer._REOPEN_SECONDS", (0.05,))
    msg_ids = await filled(tmp_path / "journal")
    fault = Fault(monkeypatch, "fdatasync", errno.EIO, times=10**6)
    async with running(tmp_path / "journal") as journal:
        assert journal.closed_because
        assert list((await contents(journal)).values()) == msg_ids
        image = crash_image(journal, tmp_path / "image")
        fault.end()
        while journal.closed_because:
            await journal._in_writer(lambda: None)
        assert (await store(journal, "after")).sequence == 19
        assert list((await contents(journal)).values()) == [*msg_ids, "after"]
        later = crash_image(journal, tmp_path / "later")
    assert await contents_of(image) == set(msg_ids)
    assert await contents_of(later) == {*msg_ids, "after"}


async def test_a_kill_while_it_is_written_again_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that is not whole must not make the old segment a dead one."""
    async with running(tmp_path / "journal") as journal:
        for msg_id in ("a", "b", "c"):
            await store(journal, msg_id)
        image = crash_image(journal, tmp_path / "image")
    images: list[Path] = []

    def write_again(fd: int, buffers: list[bytes]) -> int:
        images.append(shutil.copytree(image, tmp_path / f"image{len(images)}"))
        return writev(fd, buffers)

    writev = os.writev
    Fault(monkeypatch, "fdatasync", errno.EIO)
    monkeypatch.setattr(os, "writev", write_again)
    async with running(image):
        monkeypatch.undo()
    assert len(images) == 5  # header and state, three records, the padding
    for killed in images:
        assert await contents_of(killed) == {"a", "b", "c"}


async def test_damage_is_not_copied_but_keeps_its_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tmp_path)
    path = newest_segment(tmp_path)
    first, second, *_, last = records(path, Kind.PUSH)
    for found in (second, last):
        content = bytearray(path.read_bytes())
        content[found.offset + 60] ^= 1
        path.write_bytes(content)
    Fault(monkeypatch, "fdatasync", errno.EIO)
    async with running(tmp_path) as journal:
        assert list((await contents(journal)).values()) == ["m0", "m2", "m3", "m4", "m5", "m6", "m7"]
        assert (await store(journal, "after")).sequence == 19
        assert isinstance(await journal.read(first.prefix.sequence), Record)
