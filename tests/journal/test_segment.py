"""Segment files: headers, and going through records whatever lies between them."""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

import pytest

from bridge.journal.record import MAGIC, PREFIX_SIZE, Kind, fixed_part, seed
from bridge.journal.segment import (
    FIRST_RECORD,
    HEADER_COPIES,
    Damage,
    Found,
    Header,
    NewerFormat,
    NotASegment,
    Segment,
    WouldBlock,
    encode_header,
    file_name,
    read_header,
)
from bridge.journal.segment import HEADER as PACKED
from tests.journal.faults import Fault
from tests.journal.journals import cut, damage, everything

HEADER = Header(b"u" * 16, 3, 100, 1_700_000_000_000)
SEED = seed(HEADER.uuid, HEADER.number)


def record(sequence: int, blob: bytes = b"blob", tail: bytes = b"", seed: int = SEED) -> bytes:
    return fixed_part(Kind.PUSH, sequence, 1, blob, len(tail), seed) + tail


def write(folder: Path, *parts: bytes) -> Path:
    path = folder / file_name(HEADER.number)
    path.write_bytes(encode_header(HEADER) + b"".join(parts))
    return path


def sequences(path: Path) -> list[int | None]:
    """Sequences of the records in order; None for damage."""
    return [found.prefix.sequence if isinstance(found, Found) else None for found in everything(path)]


def test_a_header_is_read_from_either_copy(tmp_path: Path) -> None:
    for offset in HEADER_COPIES:
        path = write(tmp_path)
        damage(path, offset, bytes(4096))
        assert read_header(path) == HEADER


def test_each_flipped_bit_in_one_copy_leaves_the_other(tmp_path: Path) -> None:
    for offset in range(HEADER_COPIES[0], HEADER_COPIES[0] + 56):
        path = write(tmp_path)
        damage(path, offset)
        assert read_header(path) == HEADER


def test_without_a_sound_copy_it_is_no_segment(tmp_path: Path) -> None:
    path = write(tmp_path)
    for offset in HEADER_COPIES:
        damage(path, offset + 20)
    with pytest.raises(NotASegment):
        read_header(path)


@pytest.mark.parametrize("size", [0, 1, 51, 55])
def test_a_torn_header_is_no_segment(tmp_path: Path, size: int) -> None:
    path = write(tmp_path)
    cut(path, size)
    with pytest.raises(NotASegment):
        read_header(path)


def test_a_newer_format_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.segment.FORMAT_VERSION", 2)
    path = write(tmp_path)
    monkeypatch.undo()
    with pytest.raises(NewerFormat, match="has format 2; this version reads up to 1"):
        read_header(path)


def test_records_are_found_behind_padding(tmp_path: Path) -> None:
    first = record(100)
    path = write(tmp_path, first, bytes(4096 - len(first)), record(101), record(102), bytes(70_000), record(103))
    assert sequences(path) == [100, 101, 102, 103]


def test_damage_costs_no_neighbour(tmp_path: Path) -> None:
    path = write(tmp_path, record(100), record(101, b"b" * 9000), record(102))
    middle = FIRST_RECORD + len(record(100))
    for offset in (middle, middle + 5, middle + 20, middle + 33, middle + PREFIX_SIZE + 8000):
        damage(path, offset)
        assert sequences(path) == [100, None, 102]
        damage(path, offset)  # flips it back
    assert sequences(path) == [100, 101, 102]


def test_a_record_whose_blob_is_damaged_still_says_its_sequence(tmp_path: Path) -> None:
    path = write(tmp_path, record(100), record(101))
    damage(path, FIRST_RECORD + len(record(100)) + PREFIX_SIZE)
    found = everything(path)[1]
    assert isinstance(found, Damage)
    assert found.prefix is not None
    assert found.prefix.sequence == 101


def test_a_zeroed_page_costs_only_what_lay_in_it(tmp_path: Path) -> None:
    page = record(100) + bytes(4096 - len(record(100)))
    long = record(101, b"b" * 5000)
    path = write(tmp_path, page, long, bytes(8192 - len(long)), record(102))
    damage(path, FIRST_RECORD + 4096, bytes(4096))
    assert sequences(path) == [100, None, 102]


def test_a_picture_that_holds_a_record_is_no_record(tmp_path: Path) -> None:
    other = record(555, seed=seed(b"v" * 16, 3))
    path = write(tmp_path, record(100, tail=other), record(101))
    assert sequences(path) == [100, 101]
    damage(path, FIRST_RECORD + 4)  # now the search goes through the picture
    assert sequences(path) == [None, 101]


def test_a_magic_across_two_reads_is_found(tmp_path: Path) -> None:
    for gap in range(65_530, 65_540):
        assert sequences(write(tmp_path, b"x" * gap, record(100)))[-1] == 100


def test_a_body_full_of_magics_is_gone_through_quickly(tmp_path: Path) -> None:
    hostile = (MAGIC + b"\x01\0\0\0" + b"\xff\xff\0\0" * 7) * 60_000
    path = write(tmp_path, record(100, tail=hostile), record(101))
    damage(path, FIRST_RECORD)
    assert sequences(path) == [None, 101]


@pytest.mark.parametrize("blob", [b"b" * 50, b"b" * 20_000])
def test_a_record_that_runs_past_the_end_is_torn(tmp_path: Path, blob: bytes) -> None:
    last = record(101, blob, tail=b"picture")
    for missing in {*range(1, 60), len(last) - 1}:
        path = write(tmp_path, record(100), last)
        cut(path, path.stat().st_size - missing)
        assert sequences(path) == [100, None]


def test_a_segment_knows_where_its_records_are(tmp_path: Path) -> None:
    segment = Segment(write(tmp_path, record(100), record(105)), HEADER)
    places = segment.map()
    assert places.at(99) is None
    assert places.at(104) == FIRST_RECORD
    assert places.at(105) == FIRST_RECORD + len(record(100))
    assert (places.after(99), places.after(100), places.after(105)) == (100, 105, None)


def test_what_is_not_below_the_next_base_is_dead(tmp_path: Path) -> None:
    segment = Segment(write(tmp_path, record(100), record(105)), HEADER)
    segment.end = 105
    assert segment.map().at(105) == FIRST_RECORD
    assert not segment.is_live(105)
    assert not segment.is_live(99)


def test_reading_says_when_it_would_wait_for_the_disk(tmp_path: Path) -> None:
    path = write(tmp_path, record(100, tail=b"p" * 500_000))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    segment = Segment(path, HEADER)
    try:
        segment.read(300_000, 4096, wait=False)
    except WouldBlock:
        assert segment.read(300_000, 4096, wait=True) == b"p" * 4096
        assert segment.read(300_000, 4096, wait=False) == b"p" * 4096
    else:
        pytest.skip("this file system keeps its pages or can't say whether a read would wait")


def test_what_the_disk_has_lost_reads_as_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment(write(tmp_path, record(100)), HEADER)

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    assert segment.record_at(FIRST_RECORD, wait=True) is None
    assert [type(found) for found in segment.records()] == [Damage]


def test_a_header_that_the_disk_does_not_give_may_be_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, record(100))
    broken = Fault(monkeypatch, "pread", errno.EIO)
    assert read_header(path) == HEADER
    assert broken.hits == 1
    Fault(monkeypatch, "pread", errno.EIO, times=2)
    with pytest.raises(OSError, match="Input/output error"):
        read_header(path)


def test_trouble_that_may_pass_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment(write(tmp_path, record(100)), HEADER)

    def too_many(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", too_many)
    with pytest.raises(OSError, match="Too many"):
        segment.record_at(FIRST_RECORD, wait=True)
    monkeypatch.undo()
    assert segment.record_at(FIRST_RECORD, wait=True) is not None


def test_closing_leaves_a_reader_its_file(tmp_path: Path) -> None:
    segment = Segment(write(tmp_path, record(100)), HEADER)
    assert segment.read(0, 8, wait=True) == b"BOXBRDG\n"
    descriptor = segment._descriptor
    segment.close()
    assert descriptor is not None
    assert os.pread(descriptor.number, 8, 0) == b"BOXBRDG\n"


def test_another_programs_header_is_none(tmp_path: Path) -> None:
    """Given one that is sound by its checksum."""
    path = write(tmp_path)
    for offset in HEADER_COPIES:
        packed = b"ANOTHER\n" + path.read_bytes()[offset + 8 : offset + PACKED.size]
        damage(path, offset, packed + zlib.crc32(packed).to_bytes(4, "little"))
    with pytest.raises(NotASegment):
        read_header(path)


def test_what_is_only_half_in_memory_has_to_be_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment(write(tmp_path, record(100, b"x" * 5000)), HEADER)
    whole = os.preadv

    def half(fd: int, buffers: list[bytearray], offset: int, flags: int) -> int:
        return whole(fd, [memoryview(buffer)[: len(buffer) // 2] for buffer in buffers], offset, flags)

    monkeypatch.setattr(os, "preadv", half)
    with pytest.raises(WouldBlock):
        segment.read(FIRST_RECORD, 5000, wait=False)
    assert segment.read(FIRST_RECORD, 5000, wait=True)[:4] == MAGIC[:4]


def test_who_opens_a_file_that_is_just_replaced_reads_the_old_one(tmp_path: Path) -> None:
    """Given a reader that saw no descriptor, just before the writer kept one and put another file in the place."""
    segment = Segment(write(tmp_path, record(100, b"old")), HEADER)
    other = tmp_path / "other"
    other.mkdir()
    new = write(other, record(100, b"new"))
    segment.retire()
    new.rename(segment.path)
    segment._open()
    assert b"old" in segment.read(FIRST_RECORD, 100, wait=True)
