"""Rewriting: what is chosen stays as it was, what goes is known as let go, a crash leaves the old or the new file."""

from __future__ import annotations

import errno
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC
from pathlib import Path

import pytest

from bridge.event import PictureLost
from bridge.journal.cursor import Cursor
from bridge.journal.export import Export, Wanted
from bridge.journal.inspect import Inspection
from bridge.journal.journal import Journal, Keep, Lost, Record
from bridge.journal.record import Kind
from bridge.journal.rewrite import rewrite
from bridge.journal.segment import Form
from bridge.journal.thinning import Thinning, merge
from tests.journal.faults import FAULTS, Fault
from tests.journal.journals import TINY, contents, crash_image, damage, records, running, segment_files, store, until

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
NOW = 2**60
"""A time at which everything is old."""
HISTORY = Keep(settled=0, dead=1e9, history=1e18)
PINNED = Keep(settled=0, dead=1e9)
SHED = Keep(settled=0, dead=1e9, history=1e18, when_full="shed_pictures")
PUSHES = 24


def picture(n: int) -> bytes:
    return f"picture {n} ".encode() * 800


@pytest.fixture(autouse=True)
def log_cursors_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.02)


async def filled(journal: Journal, *, dead: tuple[int, ...] = (), settled: int = PUSHES) -> Cursor:
    """Pushes in many segments, of which the output has the first ones but for its dead letters."""
    for n in range(1, PUSHES + 1):
        await store(journal, f"m{n}", pictures=(picture(n),))
    cursor = journal.cursors["out"]
    cursor.take(settled + 1)
    for sequence in range(1, settled + 1):
        if sequence in dead:
            cursor.bury(sequence, 1, "refused")
        else:
            cursor.settle(sequence, "delivered", 1)
    journal.moved()
    await until(lambda: not cursor.moved)
    return cursor


def thin(journal: Journal, keep: Keep, short: int = 0) -> int:
    """Until nothing more is to be done; returns how many segments were rewritten."""
    done = 0
    while (now := Thinning(journal.log, list(journal.cursors.values()), keep).thin(NOW, short)) > 0:
        done += now
    journal.log.forget_read()
    return done


async def with_pictures(journal: Journal) -> set[int]:
    """The sequences that have their picture, proven; of the others the picture says that it is let go."""
    found = set()
    for sequence in range(journal.log.first, journal.next):
        read = await journal.read(sequence)
        if isinstance(read, Record) and read.blob.pictures:
            try:
                assert await read.pictures.read(read.blob.pictures[0].sha256) == picture(sequence)
            except PictureLost as lost:
                assert "no longer kept" in str(lost)  # noqa: PT017 - both are right, for different ones
            else:
                found.add(sequence)
    return found


def newest(journal: Journal) -> set[int]:
    """The sequences of the newest segment, which is never rewritten."""
    return set(range(journal.log.segments[-1].base, journal.next))


async def test_history_has_all_events_and_pictures_of_dead_letters_only(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal, dead=(3, 9))
        documents = [await document(journal, sequence) for sequence in range(1, journal.next)]
        before = journal.log.bytes_on_disk()
        assert thin(journal, HISTORY) == len(journal.log.segments) - 1
        assert await with_pictures(journal) == {3, 9} | newest(journal)
        assert [await document(journal, sequence) for sequence in range(1, journal.next)] == documents
        assert journal.log.bytes_on_disk() < before / 2
        assert thin(journal, HISTORY) == 0, "once is enough"
        assert (await store(journal, "m5", pictures=(picture(5),))).duplicate, "it is known without its picture"
    async with running(tmp_path, limits=TINY) as journal:
        assert thin(journal, HISTORY) == 1, "only what was the newest before"
        assert await with_pictures(journal) == {3, 9}
        assert [await document(journal, sequence) for sequence in range(1, journal.next)] == documents


async def document(journal: Journal, sequence: int) -> bytes:
    read = await journal.read(sequence)
    assert isinstance(read, Record)
    return read.document(sequence)


async def test_dead_letters_alone_stay_of_what_they_hold_for_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path / "journal", limits=TINY) as journal:
        cursor = await filled(journal, dead=(3, 9))
        thin(journal, PINNED)
        assert set(await contents(journal)) == {3, 9} | newest(journal)
        assert await with_pictures(journal) == {3, 9} | newest(journal)
        lost = await journal.read(5)
        assert isinstance(lost, Lost)
        assert lost.let_go
        cursor.expire(2**60)
        journal.moved()
        await until(lambda: not cursor.moved)
        assert thin(journal, PINNED) == 2, "those two that had dead letters"
        assert set(await contents(journal)) == newest(journal)
        image = crash_image(journal, tmp_path / "image")
        (image / "index.sqlite").unlink()
    capsys.readouterr()
    async with running(image, limits=TINY) as journal:
        assert set(await contents(journal)) == set(range(journal.next - len(newest_of(image)), journal.next))
    assert "damaged or missing" not in capsys.readouterr().out


def newest_of(image: Path) -> list[str]:
    """The pushes that the page's reader finds."""
    from tests.journal.test_format import read_folder

    return [push[2] for push in read_folder(image).pushes.values()]


async def taken(journal: Journal, *, rounds: int) -> Cursor:
    """So many times all pushes, each with its picture; returns the output's cursor, which has taken them all."""
    for _ in range(rounds):
        last = journal.next
        for n in range(1, PUSHES + 1):
            await store(journal, f"{last}-{n}", pictures=(picture(n),))
    cursor = journal.cursors["out"]
    cursor.take(journal.next)
    return cursor


async def test_many_small_neighbours_become_one(tmp_path: Path) -> None:
    async with running(tmp_path / "journal", limits=TINY) as journal:
        cursor = await taken(journal, rounds=3)
        for sequence in range(1, journal.next):
            if sequence != 7:
                cursor.settle(sequence, "delivered", 1)
        cursor.bury(7, 1, "refused")
        journal.moved()
        await until(lambda: not cursor.moved)
        before = await contents(journal)
        thin(journal, HISTORY)
        files = len(segment_files(journal.folder))
        assert merge(journal.log, TINY.segment_bytes * 20) == 16
        assert len(segment_files(journal.folder)) == len(journal.log.segments) == files - 15
        assert (await contents_without_pictures(journal)) == before
        image = crash_image(journal, tmp_path / "image")
        assert thin(journal, HISTORY) == 0
    async with running(image, limits=TINY) as journal:
        assert (await contents_without_pictures(journal)) == before


async def contents_without_pictures(journal: Journal) -> dict[int, str]:
    found = {}
    for sequence in range(1, journal.next):
        read = await journal.read(sequence)
        assert isinstance(read, Record), sequence
        found[read.sequence] = read.blob.msg_id
    return found


async def test_what_an_output_has_not_is_touched_only_to_shed_its_pictures(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal, settled=8)
        passed = [segment for segment in journal.log.segments if segment.end is not None and segment.end <= 9]
        assert thin(journal, HISTORY, short=10**9) == len(passed)
        assert set(range(9, PUSHES + 1)) <= await with_pictures(journal)
        shed = Thinning(journal.log, list(journal.cursors.values()), SHED).thin(NOW, 30_000)
        journal.log.forget_read()
        assert 0 < shed < len(journal.log.segments) - len(passed) - 1, "no more than must, the oldest first"
        left = await with_pictures(journal)
        assert left == set(range(min(left), PUSHES + 1))
        thin(journal, SHED, short=10**9)
        assert await with_pictures(journal) == newest(journal)
        assert set(range(9, PUSHES + 1)) <= set(await contents_of_events(journal))


async def contents_of_events(journal: Journal) -> list[int]:
    """What still has its event."""
    found = []
    for sequence in range(1, journal.next):
        read = await journal.read(sequence)
        if isinstance(read, Record) and read.event(sequence) is not None:
            found.append(sequence)
    return found


async def test_who_reads_the_old_file_goes_on_with_it_and_then_it_is_gone(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal)
        journal.log.forget_read()
        read = await journal.read(1)
        assert isinstance(read, Record)
        assert Thinning(journal.log, list(journal.cursors.values()), HISTORY).thin(NOW, 0) == 1
        assert await read.pictures.read(read.blob.pictures[0].sha256) == picture(1)
        assert deleted_but_open(tmp_path)
        journal.log.forget_read()
        del read
        assert not deleted_but_open(tmp_path)


def deleted_but_open(folder: Path) -> list[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [name for link in links if (name := str(link.readlink())).startswith(str(folder)) and "(deleted)" in name]


async def test_the_newest_is_never_rewritten(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        with pytest.raises(ValueError, match="is the newest segment"):
            rewrite(journal.log, journal.log.segments[-1:], lambda _: True, lambda _: True, Form.SHED, 0)


@pytest.mark.parametrize(("call", "number"), [*FAULTS, ("rename", errno.EROFS)])
async def test_a_disk_that_does_not_let_it_loses_nothing(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "journal", limits=TINY) as journal:
        await filled(journal)
        before = await contents_without_pictures(journal)
        fault = Fault(monkeypatch, call, number)
        assert thin(journal, HISTORY) == 0
        assert fault.hits == 1
        fault.end()
        assert await contents_without_pictures(journal) == before
        assert list((tmp_path / "journal").glob("*.new")) == []
        image = crash_image(journal, tmp_path / "image")
        assert thin(journal, HISTORY) > 0
        await store(journal, "after")
    async with running(image, limits=TINY) as journal:
        assert await contents_without_pictures(journal) == before


@pytest.mark.parametrize("history", [1e18, 0.0])
async def test_kill_9_in_the_middle_of_it(history: float, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with running(tmp_path / "made", limits=TINY) as journal:
        cursor = await taken(journal, rounds=2)
        for sequence in range(1, journal.next):
            if sequence % 5:
                cursor.settle(sequence, "delivered", 1)
            else:
                cursor.bury(sequence, 1, "refused")
        everything = await contents(journal)
    killed_within = 0
    for round_ in range(8):
        folder = shutil.copytree(tmp_path / "made", tmp_path / f"round{round_}")
        for most in (40, 10):  # the second crash is within what the first one left
            killed_within += killed(folder, history, chance.randrange(most), chance.uniform(0, 0.002))
        async with running(folder, limits=TINY) as journal:
            found = await contents_left(journal)
            dead = {entry.sequence for entry in journal.cursors["out"].dead_letters()}
            assert dead == {sequence for sequence in everything if sequence % 5 == 0}
            assert dead <= set(found)
            assert found.items() <= everything.items()
            assert history == 0.0 or found == everything
    assert killed_within > 5


def killed(folder: Path, history: float, after: int, seconds: float) -> bool:
    """Kill a rewriter so long after it rewrote so many segments; returns whether it was not done yet."""
    command = [sys.executable, "-m", "tests.journal.rewriter", str(folder), str(history)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(after + 1):
            if process.stdout.readline() in (b"end\n", b""):
                break
        time.sleep(seconds)
        process.kill()
        return b"end" not in process.stdout.read()


async def contents_left(journal: Journal) -> dict[int, str]:
    """What is there, dead letters with their pictures."""
    found = {}
    for sequence in range(1, journal.next):
        read = await journal.read(sequence)
        if not isinstance(read, Record):
            assert read.let_go, f"{sequence} was lost"
            continue
        found[sequence] = read.blob.msg_id
        if sequence % 5 == 0:
            await read.pictures.read(read.blob.pictures[0].sha256)
    return found


@pytest.fixture
def seed() -> int:
    """Printed where a test fails, to try it again."""
    number = random.SystemRandom().randrange(10**6)
    print(f"seed {number}")
    return number


@pytest.mark.parametrize("keep", [HISTORY, PINNED, SHED], ids=["history", "pinned", "shed"])
async def test_what_was_let_go_is_named_neither_by_a_check_nor_by_an_export(keep: Keep, tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal, dead=(3, 9), settled=0 if keep is SHED else PUSHES)
        assert thin(journal, keep, short=10**9 if keep is SHED else 0)
        merge(journal.log, 10**9)
        there = await contents_of_events(journal)
        pictures = await with_pictures(journal)
    (tmp_path / "00000001.new").write_bytes(b"left by a crash")
    assert [finding for finding in Inspection(tmp_path).findings() if finding.harm] == []
    export, files = Export(tmp_path, Wanted(), UTC), dict[str, bytes]()
    assert list(export.run(lambda name, data, _: files.update({name: data}))) == []
    assert (export.events, export.pictures) == (len(there), len(pictures))
    assert len(files) == len(there) + len(pictures)


async def test_damage_in_what_was_rewritten_is_named(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal, dead=(3, 9))
        thin(journal, PINNED)
    path, found = next((path, found) for path in segment_files(tmp_path) for found in records(path, Kind.PUSH))
    damage(path, found.offset + 1)
    assert [one.what for one in Inspection(tmp_path).findings() if one.harm] == ["event"]


async def test_damage_in_what_is_rewritten_stays_behind_and_is_never_called_let_go(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal)
        first = segment_files(tmp_path)[0]
        damage(first, records(first, Kind.PUSH)[0].offset + 60)
        thin(journal, HISTORY)
        assert await journal.read(1) == Lost(1, 2)
        assert [isinstance(await journal.read(n), Record) for n in range(2, journal.next)] == [True] * (PUSHES - 1)


async def test_what_can_not_be_read_now_is_not_rewritten_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal)
        before = await contents(journal)
        files = {path: path.read_bytes() for path in segment_files(tmp_path)}
        disk = Fault(monkeypatch, "pread", errno.EIO, times=10**6)
        assert thin(journal, HISTORY) == 0
        disk.end()
        assert "can't be read" in capsys.readouterr().out
        assert {path: path.read_bytes() for path in segment_files(tmp_path)} == files
        assert await contents(journal) == before
        assert thin(journal, HISTORY) > 0


async def test_a_new_name_that_is_not_surely_on_disk_is_said_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal)
        disk = Fault(monkeypatch, "fsync", errno.EIO)
        assert thin(journal, HISTORY) == len(journal.log.segments) - 1
        assert disk.hits == 1
        assert capsys.readouterr().out.count("what was rewritten is not surely on disk yet") == 1
        assert len(await contents_without_pictures(journal)) == PUSHES


async def test_pictures_that_can_not_be_shed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        await filled(journal, settled=0)
        disk = Fault(monkeypatch, "writev", errno.ENOSPC, times=10**6)
        assert thin(journal, SHED, short=10**9) == 0
        assert await with_pictures(journal) == set(range(1, PUSHES + 1))
        disk.end()
        assert thin(journal, SHED, short=10**9) == len(journal.log.segments) - 1
