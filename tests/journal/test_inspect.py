"""Going through a journal: each damage is named, nothing sound is, and nothing is written."""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bridge.journal.folder import Survey, survey
from bridge.journal.inspect import Finding, Inspection
from bridge.journal.journal import Journal
from bridge.journal.record import Kind
from bridge.journal.rewrite import rewrite
from bridge.journal.segment import FIRST_RECORD, Form, Segment, encode_header, read_header
from tests.journal.faults import Fault
from tests.journal.journals import (
    TINY,
    crash_image,
    cut,
    damage,
    garble,
    newest_segment,
    records,
    running,
    segment_files,
    store,
)

pytestmark = pytest.mark.anyio
PUSHES = 12


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """A stopped journal of several segments; push N takes sequence N and has a picture of its own."""
    folder = tmp_path / "journal"
    async with running(folder, limits=TINY) as opened:
        for n in range(PUSHES):
            await store(opened, f"m{n}", pictures=(b"picture %d " % n * 300,))
    assert len(segment_files(folder)) > 3
    return folder


def inspected(folder: Path, *, fast: bool = False) -> list[Finding]:
    return list(Inspection(folder, fast=fast).findings())


def harmful(folder: Path, *, fast: bool = False) -> list[Finding]:
    return [finding for finding in inspected(folder, fast=fast) if finding.harm]


def inspected_often(folder: Path, times: int) -> list[Finding]:
    return [finding for _ in range(times) for finding in harmful(folder)]


def the_harm(folder: Path) -> Finding:
    (finding,) = harmful(folder)
    return finding


def a_push_in(folder: Path, place: int = 1) -> tuple[Path, int, int]:
    """File, offset and sequence of a push with others around it."""
    path = segment_files(folder)[place]
    found = records(path, Kind.PUSH)[1]
    return path, found.offset, found.prefix.sequence


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def id_at(folder: Path, sequence: int) -> str:
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        found: str = connection.execute("SELECT id FROM event WHERE sequence = ?", (sequence,)).fetchone()[0]
        return found


async def test_a_sound_journal_has_no_findings_and_is_left_as_it_was(journal: Path) -> None:
    before = files(journal)
    inspection = Inspection(journal)
    done: list[int] = []
    assert list(inspection.findings(done.append)) == []
    assert (inspection.pushes, inspection.events, inspection.pictures) == (PUSHES, PUSHES, PUSHES)
    assert (inspection.first, inspection.next) == (1, PUSHES + 1)
    assert sum(done) == inspection.bytes
    assert files(journal) == before


async def test_one_that_a_daemon_uses_is_read_beside_it(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as opened:
        for n in range(PUSHES):
            await store(opened, f"m{n}", pictures=(b"picture" * 300,))
        assert harmful(tmp_path) == []
        await opened.find("m0")  # the index has all of it now
        before = files(tmp_path)
        assert inspected(tmp_path) == []
        assert files(tmp_path) == before
        await store(opened, "after")


async def test_one_that_grows_meanwhile_is_never_called_damaged(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as opened:
        inspecting = asyncio.create_task(asyncio.to_thread(inspected_often, tmp_path, 20))
        for n in range(60):  # while it goes on, but not for ever: what is to be read grows
            await asyncio.gather(*(store(opened, f"m{n}-{k}", pictures=(b"picture" * 300,)) for k in range(3)))
        assert await inspecting == []
        assert len(segment_files(tmp_path)) > 3


async def test_one_whose_daemon_was_killed_is_read_without_a_write(tmp_path: Path) -> None:
    async with running(tmp_path / "journal") as opened:
        await store(opened, "m")
        await opened.find("m")
        image = crash_image(opened, tmp_path / "image")
    assert (image / "index.sqlite-wal").exists()
    before = files(image)
    assert inspected(image) == []
    assert files(image) == before


@pytest.mark.parametrize("place", [2, 60], ids=["prefix", "blob"])
async def test_a_damaged_event_is_named_with_its_id(journal: Path, place: int) -> None:
    path, offset, sequence = a_push_in(journal)
    damage(path, offset + place)
    finding = the_harm(journal)
    assert (finding.what, finding.file) == ("event", path.name)
    assert finding.offset <= offset < finding.end
    assert (finding.sequence, finding.until) == (sequence, sequence + 1)
    assert finding.events == (id_at(journal, sequence),)
    assert f"event {sequence} ({finding.events[0]}) is damaged" in finding.sentence


async def test_a_damaged_picture_is_named_with_its_event(journal: Path) -> None:
    path, _, sequence = a_push_in(journal)
    found = records(path, Kind.PUSH)[1]
    damage(path, found.offset + found.prefix.fixed_size + 9)
    finding = the_harm(journal)
    assert (finding.what, finding.events) == ("picture", (id_at(journal, sequence),))
    assert finding.sentence.startswith(f"of event {finding.events[0]}: picture ")


async def test_a_missing_segment_is_a_gap(journal: Path) -> None:
    gone = segment_files(journal)[1]
    lost = [found.prefix.sequence for found in records(gone, Kind.PUSH)]
    gone.unlink()
    finding = the_harm(journal)
    assert (finding.what, finding.sequence, finding.until) == ("missing", lost[0], lost[-1] + 1)


async def test_a_gap_between_segments_of_dead_letters_is_named(journal: Path) -> None:
    """What such a segment has not was let go; what should lie between two of them was not."""
    async with running(journal) as opened:
        before, after = opened.log.segments[0], opened.log.segments[2]
        for segment in (before, after):
            await opened._in_writer(partial(_thin, opened, segment))
    gone = segment_files(journal)[1]
    lost = [found.prefix.sequence for found in records(gone, Kind.PUSH)]
    assert harmful(journal) == []
    gone.unlink()
    finding = the_harm(journal)
    assert (finding.what, finding.sequence, finding.until) == ("missing", lost[0], lost[-1] + 1)


def _thin(opened: Journal, segment: Segment) -> None:
    """Let go of all in it but the last, as where that is a dead letter."""
    last = max(found.prefix.sequence for found in records(segment.path, Kind.PUSH))
    keep = lambda record: record.sequence == last  # noqa: E731 - a choice
    assert rewrite(opened.log, [segment], keep, keep, Form.PINNED, 1)


async def test_a_page_of_zeros_is_a_gap(journal: Path) -> None:
    path, offset, sequence = a_push_in(journal)
    damage(path, offset, bytes(records(path, Kind.PUSH)[1].prefix.size))
    finding = the_harm(journal)
    assert (finding.what, finding.sequence, finding.until) == ("missing", sequence, sequence + 1)


async def test_a_lost_newest_segment_shows_in_the_index(journal: Path) -> None:
    gone = newest_segment(journal)
    lost = [found.prefix.sequence for found in records(gone, Kind.PUSH)]
    gone.unlink()
    finding = the_harm(journal)
    assert (finding.what, finding.sequence, finding.until) == ("index", lost[0], lost[-1] + 1)
    assert "a segment was lost" in finding.sentence


async def test_where_outputs_stood_is_named_when_damaged(journal: Path) -> None:
    path = segment_files(journal)[1]
    damage(path, FIRST_RECORD + 40)
    assert (the_harm(journal).what, the_harm(journal).file) == ("state", path.name)


async def test_headers_are_named_one_copy_or_both(journal: Path) -> None:
    first, second = segment_files(journal)[:2]
    damage(first, 20)
    assert (the_harm(journal).what, the_harm(journal).file) == ("header", first.name)
    damage(second, 20)
    damage(second, 4096 + 20)
    assert {(finding.what, finding.file) for finding in harmful(journal)} == {
        ("header", first.name),
        ("missing", first.name),  # nothing says what was between it and the third
        ("foreign", second.name),
    }


async def test_files_of_other_journals_and_copies_are_named(journal: Path, tmp_path: Path) -> None:
    async with running(tmp_path / "other") as other:
        await store(other, "m")
    shutil.copy(newest_segment(tmp_path / "other"), journal / "99999999.seg")
    shutil.copy(segment_files(journal)[0], journal / "copy.seg")
    (journal / "00000077.seg.aside").write_bytes(b"")
    found = {(finding.what, finding.file, finding.harm) for finding in inspected(journal)}
    assert found == {
        ("foreign", "99999999.seg", True),
        ("foreign", "copy.seg", True),
        ("aside", "00000077.seg.aside", False),
    }


async def test_what_was_never_answered_does_no_harm(journal: Path) -> None:
    path = newest_segment(journal)
    last = records(path, Kind.PUSH)[-1]
    with closing(sqlite3.connect(journal / "index.sqlite")) as index, index:
        index.execute("UPDATE meta SET value = ? WHERE name = 'through'", (last.prefix.sequence,))
    cut(path, last.offset + 100)
    (finding,) = inspected(journal)
    assert (finding.what, finding.harm, finding.offset) == ("torn", False, last.offset)


async def test_what_may_have_been_answered_at_the_end_is_not_called_torn(journal: Path) -> None:
    path = newest_segment(journal)
    last = records(path, Kind.PUSH)[-1]
    damage(path, last.offset, bytes(8))
    rotten, known = harmful(journal)
    assert (rotten.what, rotten.end) == ("bytes", path.stat().st_size)
    assert rotten.sentence.endswith("if a push was answered there, it is lost")
    assert (known.what, known.sequence) == ("index", last.prefix.sequence)


async def test_an_index_with_a_row_of_every_kind_is_sound(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    async with running(folder) as opened:
        await store(opened, "one")
        notes, cursor = opened.places.notes, next(iter(opened.cursors.values()))
        notes.turn_away("refused", device="box", peer="127.0.0.1", reason="as a test")
        notes.output(cursor.number, "waiting", "as a test")
        cursor.take(opened.next)
        cursor.bury(1, 1, "as a test")
    with closing(sqlite3.connect(folder / "index.sqlite")) as index:
        tables = [name for (name,) in index.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert all(index.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
    assert harmful(folder) == []


async def test_an_index_that_is_behind_or_missing_does_no_harm(journal: Path) -> None:
    with closing(sqlite3.connect(journal / "index.sqlite")) as index, index:
        index.execute("DELETE FROM push WHERE sequence >= 9")
        index.execute("UPDATE meta SET value = 9 WHERE name = 'through'")
    (finding,) = inspected(journal)
    assert (finding.what, finding.harm) == ("index", False)
    assert finding.sentence == f"it is {PUSHES - 8} events behind, and reads on by itself"
    (journal / "index.sqlite").unlink()
    (finding,) = inspected(journal)
    assert (finding.what, finding.harm, finding.sentence) == ("index", False, "there is none: the next start makes it")


def _lose_a_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as index, index:
        index.execute("DELETE FROM push WHERE sequence = 5")


def _swap_a_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as index, index:
        index.execute("UPDATE push SET msg_id = 'other' WHERE sequence = 5")


def _make_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as index, index:
        index.execute("UPDATE meta SET value = x'00' WHERE name = 'uuid'")


def _make_nonsense(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)


@pytest.mark.parametrize("harm", [_lose_a_row, _swap_a_row, _make_foreign, _make_nonsense])
async def test_an_index_that_says_something_else_is_named(journal: Path, harm: Callable[[Path], None]) -> None:
    harm(journal / "index.sqlite")
    finding = the_harm(journal)
    assert finding.what == "index"
    assert finding.sentence.endswith("stop the daemon, and `boxbridge journal rebuild`")


async def test_fast_reads_all_headers_and_the_newest_segment(journal: Path) -> None:
    path, offset, _ = a_push_in(journal, 0)
    damage(path, offset + 60)
    assert inspected(journal, fast=True) == []
    damage(segment_files(journal)[1], 20)
    newest = newest_segment(journal)
    damage(newest, records(newest, Kind.PUSH)[0].offset + 60)
    assert [finding.what for finding in harmful(journal, fast=True)] == ["header", "event"]


async def test_a_segment_that_goes_meanwhile_is_no_damage(journal: Path) -> None:
    inspection = Inspection(journal)
    segment_files(journal)[0].unlink()
    assert [finding for finding in inspection.findings() if finding.harm] == []


async def test_a_segment_that_is_replaced_meanwhile_is_no_damage(journal: Path) -> None:
    inspection = Inspection(journal)
    path = segment_files(journal)[1]
    path.with_suffix(".new").write_bytes(encode_header(msgspec.structs.replace(read_header(path), made=1)))
    path.with_suffix(".new").rename(path)
    assert [finding for finding in inspection.findings() if finding.harm] == []


def test_an_empty_folder_is_sound(tmp_path: Path) -> None:
    inspection = Inspection(tmp_path)
    assert [finding.harm for finding in inspection.findings()] == [False]
    assert inspection.next == 1


async def test_a_record_that_was_never_answered_and_written_again_elsewhere_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        Fault(monkeypatch, "fdatasync", errno.EIO)
        await store(journal, "b")
    (first, second) = segment_files(tmp_path)
    assert [found.prefix.sequence for path in (first, second) for found in records(path, Kind.PUSH)] == [1, 2, 2]
    inspection = Inspection(tmp_path)
    assert [finding for finding in inspection.findings() if finding.harm] == []
    assert (inspection.pushes, inspection.events) == (2, 2)


async def test_a_segment_that_is_deleted_between_two_looks_is_passed_by(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def survey_and_delete(folder: Path) -> Survey:
        found = survey(folder)
        found.segments[0][0].unlink()
        return found

    monkeypatch.setattr("bridge.journal.inspect.survey", survey_and_delete)
    gone, following = (read_header(path).base for path in segment_files(journal)[:2])
    inspection = Inspection(journal)
    assert [finding for finding in inspection.findings() if finding.harm] == []
    assert (gone, inspection.first) == (1, following)


@pytest.mark.parametrize(("kind", "what"), [(Kind.PUSH, "event"), (Kind.STATE, "state"), (Kind.CHANGES, "state")])
async def test_a_sound_record_that_says_nothing_is_named_as_damaged(tmp_path: Path, kind: Kind, what: str) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        journal.cursors["out"].take(2)
        await store(journal, "b")
    path = newest_segment(tmp_path)
    found = records(path, kind)[0]
    garble(path, found)
    finding = the_harm(tmp_path)
    assert (finding.what, finding.offset, finding.end) == (what, found.offset, found.end)


async def test_bytes_between_two_groups_are_named_and_cost_nothing(journal: Path) -> None:
    path, offset, _ = a_push_in(journal)
    damage(path, offset - 40, b"stray")
    finding = the_harm(journal)
    assert (finding.what, finding.sequence) == ("bytes", 0)
    assert finding.offset <= offset - 40 < finding.end <= offset
    assert finding.sentence.endswith("are no record; no event is missing, some may come again")


@pytest.mark.parametrize("ends", ["gets its header", "is deleted"])
async def test_a_file_that_a_daemon_was_just_beginning_is_not_foreign(journal: Path, ends: str) -> None:
    header = msgspec.structs.replace(read_header(newest_segment(journal)), number=99)
    path = journal / "00000099.seg"
    path.write_bytes(b"")
    inspection = Inspection(journal)
    if ends == "is deleted":
        path.unlink()
    else:
        path.write_bytes(encode_header(header))
    assert [finding for finding in inspection.findings() if finding.harm] == []


async def test_a_file_that_stays_without_a_header_is_foreign(journal: Path) -> None:
    (journal / "00000099.seg").write_bytes(b"")
    finding = the_harm(journal)
    assert (finding.what, finding.file) == ("foreign", "00000099.seg")
