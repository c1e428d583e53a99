"""The start: whatever the files look like, it succeeds, keeps what was answered, and names what is lost."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from bridge.journal.journal import Lost, Record
from bridge.journal.log import Log
from bridge.journal.record import Kind
from bridge.journal.recovery import recover
from bridge.journal.segment import FIRST_RECORD, HEADER_COPIES
from tests.journal.faults import Fault, noted
from tests.journal.journals import (
    TINY,
    contents,
    contents_of,
    crash_image,
    cut,
    damage,
    garble,
    newest_segment,
    records,
    running,
    segment_files,
    store,
    store_all,
)

pytestmark = pytest.mark.anyio
PICTURE = b"picture" * 20


async def crashed(folder: Path) -> Path:
    """A journal as a kill left it: two groups of pushes, and an output that has the first of them."""
    async with running(folder / "journal", {"out": "oldest", "slow": "oldest"}) as journal:
        await store_all(journal, ["a", "b"])
        cursor = journal.cursors["out"]
        cursor.take(3)
        cursor.settle(1, "delivered", 1)
        cursor.bury(2, 1, "refused")
        await store(journal, "c")
        await store(journal, "d", pictures=(PICTURE, b"second"))
        return crash_image(journal, folder / "image")


def last_record_end(path: Path) -> int:
    return records(path, Kind.PUSH)[-1].end


async def test_each_byte_cut_off_the_last_record_costs_that_record_alone(tmp_path: Path) -> None:
    image = await crashed(tmp_path)
    path = newest_segment(image)
    last = records(path, Kind.PUSH)[-1]
    whole = path.read_bytes()
    for size in range(last.offset, last.end):
        path.write_bytes(whole[:size])
        log = Log(image)
        recover(log)
        assert log.next == 4
        assert [read.sequence for read in log.pushes(1)] == [1, 2, 3]
        log.close()
    path.write_bytes(whole[: last.end])
    log = Log(image)
    recover(log)
    assert log.next == 5


async def test_what_was_never_answered_is_told_as_no_damage_and_damage_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = await crashed(tmp_path)
    path = newest_segment(image)
    whole, last = path.read_bytes(), records(path, Kind.PUSH)[-1]
    for size in (*range(last.offset + 1, last.offset + 40), last.offset + last.prefix.fixed_size, last.end - 1):
        path.write_bytes(whole[:size])
        assert "error" not in (said := said_at_start(image, capsys)), size
        assert f"a write was cut short; nothing of it was answered end={size}" in " ".join(said.split())
    for rotten in (last.offset, last.offset + 20, last.offset + 60, last.end - 1):
        path.write_bytes(whole)
        damage(path, rotten)
        said = said_at_start(image, capsys)
        assert "damage in the newest segment" in said, rotten
        assert "cut short" not in said


def said_at_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    log = Log(folder)
    recover(log)
    log.close()
    return capsys.readouterr().out


async def test_what_was_torn_is_taken_again_and_is_no_duplicate(tmp_path: Path) -> None:
    image = await crashed(tmp_path)
    cut(newest_segment(image), last_record_end(newest_segment(image)) - 10)
    async with running(image) as journal:
        assert journal.next == 4
        assert not (await store(journal, "d", pictures=(PICTURE, b"second"))).duplicate
        assert set((await contents(journal)).values()) == {"a", "b", "c", "d"}


async def test_each_flipped_bit_costs_one_record_at_most(tmp_path: Path) -> None:
    """All offsets of the file, header, state and padding too, some five bytes apart."""
    image = await crashed(tmp_path)
    path = newest_segment(image)
    whole = path.read_bytes()
    for offset in range(0, len(whole), 5):
        changed = bytearray(whole)
        changed[offset] ^= 1 << (offset % 8)
        path.write_bytes(changed)
        log = Log(image)
        proven = recover(log)
        found = [read.sequence for read in log.pushes(1) if isinstance(read, Record)]
        assert len(found) >= 3, offset
        if 4 in found:
            assert log.next == 5
        settled = {
            entry.name: {*range(1, entry.next)} - {one.sequence for one in entry.open} for entry in proven.outputs
        }
        assert settled.get("out", set()) <= {1}, offset
        assert settled.get("slow", set()) == set()
        log.close()


@pytest.mark.parametrize("page", range(2, 7))
async def test_a_zeroed_page_costs_only_what_lay_in_it(tmp_path: Path, page: int) -> None:
    image = await crashed(tmp_path)
    path = newest_segment(image)
    damage(path, page * 4096, bytes(4096))
    async with running(image, {"out": "oldest", "slow": "oldest"}) as journal:
        found = set((await contents(journal)).values())
        assert len(found) >= 2
        assert (await store(journal, "after")).sequence >= 4
        assert journal.cursors["slow"].next == 1


async def test_rot_of_the_last_record_is_named_and_its_sequence_not_used_again(tmp_path: Path) -> None:
    image = await crashed(tmp_path)
    path = newest_segment(image)
    damage(path, records(path, Kind.PUSH)[-1].offset + 100)
    async with running(image) as journal:
        assert (await store(journal, "after")).sequence == 5
        assert await journal.read(4) == Lost(4, 5)


async def test_what_the_disk_does_not_give_at_the_start_it_may_give_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next pushes get the numbers of what was answered, which is dead from then on."""
    image = await crashed(tmp_path)
    (image / "index.sqlite").unlink()
    log = Log(image)
    read = os.pread

    def unreadable(fd: int, size: int, offset: int) -> bytes:
        if offset >= FIRST_RECORD:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(fd, size, offset)

    monkeypatch.setattr("bridge.journal.recovery._AGAIN_SECONDS", (0.01,))
    monkeypatch.setattr(os, "pread", unreadable)
    recover(log)
    assert log.next >= 5
    log.close()
    async with running(image) as journal:
        monkeypatch.undo()
        await store(journal, "e")
    assert await contents_of(image) == {"a", "b", "c", "d", "e"}


async def test_numbering_never_falls_behind_what_an_output_took(tmp_path: Path) -> None:
    """Else the next push would count as delivered."""
    async with running(tmp_path / "journal") as journal:
        await store(journal, "a")
        journal.cursors["out"].take(2)
        journal.cursors["out"].settle(1, "delivered", 1)
    path = newest_segment(tmp_path / "journal")
    damage(path, records(path, Kind.PUSH)[0].offset)
    (tmp_path / "journal" / "index.sqlite").unlink()
    async with running(tmp_path / "journal") as journal:
        assert (await store(journal, "after")).sequence >= journal.cursors["out"].next == 2


async def test_torn_and_rotten_together_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first segment a group failed, which is dead, and a record rots, which is named."""
    async with running(tmp_path / "journal") as journal:
        await store_all(journal, ["a", "b"])
        Fault(monkeypatch, "fdatasync", errno.EIO)
        await store_all(journal, ["c", "d"])
        image = crash_image(journal, tmp_path / "image")
    first = segment_files(image)[0]
    assert [found.prefix.sequence for found in records(first, Kind.PUSH)] == [1, 2, 3, 4]
    damage(first, records(first, Kind.PUSH)[1].offset + 60)
    async with running(image) as journal:
        assert list((await contents(journal)).items()) == [(1, "a"), (3, "c"), (4, "d")]
        assert await journal.read(2) == Lost(2, 3)
        pushes = list(journal.log.pushes(1))
        assert [read.sequence for read in pushes] == [1, 2, 3, 4]
        segment = journal.log.segments[0]
        assert segment.end == 3
        assert [segment.map().at(sequence) for sequence in (3, 4)] == [segment.map().at(1)] * 2


@pytest.mark.parametrize("record", [0, 1, 2], ids=["all", "in the middle", "the last"])
async def test_a_disk_that_comes_back_while_it_starts_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    """Given that the newest segment can't be read to its end at first, all that was answered is there afterwards."""
    monkeypatch.setattr("bridge.journal.recovery._AGAIN_SECONDS", (0.2, 2.0, 10.0))
    async with running(tmp_path) as journal:
        for msg_id in ("a", "b", "c"):
            await store(journal, msg_id, pictures=(PICTURE,))
    away_from = records(newest_segment(tmp_path), Kind.PUSH)[record].offset
    away = threading.Event()
    away.set()
    read = os.pread

    def pread(file: int, size: int, offset: int) -> bytes:
        if away.is_set() and offset + size > away_from:
            threading.Timer(0.1, away.clear).start()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(file, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    async with running(tmp_path) as journal:
        assert not away.is_set()
        assert list((await contents(journal)).items()) == [(1, "a"), (2, "b"), (3, "c")]
        assert (await store(journal, "d")).sequence == 4


async def test_a_lost_state_is_taken_from_the_segment_before(tmp_path: Path) -> None:
    image = await crashed(tmp_path)
    async with running(image, {"out": "oldest", "slow": "oldest"}) as journal:
        await store(journal, "e")
        journal.cursors["slow"].take(4)
        journal.cursors["slow"].settle(3, "delivered", 1)
    path = newest_segment(image)
    damage(path, records(path, Kind.STATE)[0].offset + 40)
    async with running(image, {"out": "oldest", "slow": "oldest"}) as journal:
        out, slow = journal.cursors["out"], journal.cursors["slow"]
        assert (out.next, [one.sequence for one in out.dead_letters()]) == (3, [2])
        assert (slow.next, [one.sequence for one in slow.open_entries()]) == (4, [1, 2])


async def test_where_all_state_is_lost_outputs_begin_with_the_oldest(tmp_path: Path) -> None:
    """More than once is what was promised; not at all is not."""
    image = await crashed(tmp_path)
    path = newest_segment(image)
    damage(path, records(path, Kind.STATE)[0].offset + 40)
    async with running(image, {"out": "now", "slow": "now"}) as journal:
        assert {cursor.next for cursor in journal.cursors.values()} == {1}
    async with running(image, {"out": "now", "new": "now"}) as journal:
        assert journal.cursors["new"].next == 5


async def test_an_output_whose_beginning_was_lost_begins_with_the_oldest(tmp_path: Path) -> None:
    async with running(tmp_path / "journal", {"out": "now"}) as journal:
        await store(journal, "a")
        await journal.place_output("new", "now")
        await store(journal, "b")
        image = crash_image(journal, tmp_path / "image")
    path = newest_segment(image)
    damage(path, records(path, Kind.STATE)[0].offset + 40)
    async with running(image, {"out": "now", "new": "now"}) as journal:
        assert journal.cursors["out"].waiting(journal.next) == 2
        assert journal.cursors["new"].waiting(journal.next) == 2


async def test_a_torn_header_is_set_aside_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = await crashed(tmp_path)
    for content in (b"", b"BOXBRDG\n torn", bytes(9000)):
        torn = image / "00000077.seg"
        torn.write_bytes(content)
        capsys.readouterr()
        assert await contents_of(image) == {"a", "b", "c", "d"}
        assert "set aside" in capsys.readouterr().out
        assert not torn.exists()
        assert await contents_of(image) == {"a", "b", "c", "d"}
        assert "set aside" not in capsys.readouterr().out
    aside = sorted(image.glob("*.aside*"))
    assert [path.name for path in aside] == ["00000077.seg.aside", "00000077.seg.aside2", "00000077.seg.aside3"]
    assert aside[1].read_bytes() == b"BOXBRDG\n torn"


async def test_a_segment_with_a_damaged_header_is_a_gap(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 21):
            await store(journal, f"m{n}")
        gone, following = journal.log.segments[2:4]
    for offset in HEADER_COPIES:
        damage(gone.path, offset)
    async with running(tmp_path) as journal:
        expected = {f"m{n}" for n in range(1, 21) if not gone.base <= n < following.base}
        assert set((await contents(journal)).values()) == expected
    assert gone.path.with_name(gone.path.name + ".aside").exists()


async def test_a_segment_of_another_journal_is_set_aside(tmp_path: Path) -> None:
    image = await crashed(tmp_path)
    async with running(image):
        pass
    async with running(tmp_path / "other") as journal:
        await store(journal, "foreign")
    shutil.copy(newest_segment(tmp_path / "other"), image / "00000055.seg")
    shutil.copy(newest_segment(tmp_path / "other"), image / "00000001x.seg")
    assert await contents_of(image) == {"a", "b", "c", "d"}
    assert {path.name for path in image.glob("*.aside")} == {"00000055.seg.aside", "00000001x.seg.aside"}


async def test_a_copy_of_a_segment_is_set_aside(tmp_path: Path) -> None:
    image = await crashed(tmp_path)
    shutil.copy(newest_segment(image), image / "00000001 (copy).seg")
    assert await contents_of(image) == {"a", "b", "c", "d"}
    assert [path.name for path in image.glob("*.aside")] == ["00000001 (copy).seg.aside"]


async def test_a_file_that_cannot_be_renamed_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = await crashed(tmp_path)
    (image / "00000077.seg").write_bytes(b"torn")
    Fault(monkeypatch, "rename", errno.EROFS)
    async with running(image) as journal:
        await store(journal, "e")
        assert newest_segment(image).name == "00000078.seg"
    assert (image / "00000077.seg").read_bytes() == b"torn"


async def test_a_crash_during_the_start_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image of a start that got so far is started anew, ten times over."""
    image = await crashed(tmp_path)
    for n in range(10):
        async with running(image, {"out": "oldest", "slow": "oldest"}) as journal:
            following = crash_image(journal, tmp_path / f"image{n}")
            assert set((await contents(journal)).values()) == {"a", "b", "c", "d"}
            assert journal.cursors["slow"].next == 1
            assert [one.sequence for one in journal.cursors["out"].dead_letters()] == [2]
        image = following
    assert len(segment_files(image)) == 2


async def test_what_only_the_page_cache_has_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start syncs and then drops the newest segment's pages before it reads them."""
    image = await crashed(tmp_path)
    calls = noted(monkeypatch, "fdatasync", "posix_fadvise", "pread")
    log = Log(image)
    recover(log)
    log.close()
    headers_read = calls.index("fdatasync")
    assert calls[headers_read : headers_read + 3] == ["fdatasync", "posix_fadvise", "pread"]
    assert set(calls[:headers_read]) == {"pread"}


def test_an_empty_folder_is_a_new_journal(tmp_path: Path) -> None:
    log = Log(tmp_path)
    proven = recover(log)
    assert (log.next, proven.next_number, proven.outputs, proven.all_outputs) == (1, 1, [], True)
    assert len(proven.uuid) == 16


async def test_a_push_of_the_newest_segment_that_says_nothing_is_lost_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(3):
            await store(journal, f"m{n}", pictures=(b"picture",))
    path = newest_segment(tmp_path)
    garble(path, records(path, Kind.PUSH)[1])
    async with running(tmp_path) as journal:
        assert await contents(journal) == {1: "m0", 3: "m2"}
        assert (await store(journal, "new")).sequence == 4


@pytest.mark.parametrize("kind", [Kind.CHANGES, Kind.STATE])
async def test_a_record_of_where_outputs_stood_that_says_nothing_costs_repetitions_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Kind
) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.settle(1, "delivered", 1)
        await store(journal, "b")
    path = newest_segment(tmp_path)
    garble(path, records(path, kind)[0])
    async with running(tmp_path) as journal:
        assert journal.cursors["out"].next == 1
        assert await contents(journal) == {1: "a", 2: "b"}
    assert "a state record can't be read" in capsys.readouterr().out
