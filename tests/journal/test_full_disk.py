"""A disk that is really full: pushes are refused, what is there is delivered, and all goes on when space comes back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.journal.journal import Journal, JournalUnavailable, Keep, Limits, Record
from bridge.journal.quota import bytes_in
from bridge.options import Size
from tests.journal.journals import FOR_EVER, contents, contents_of, crash_image, running, segment_files, store, until

pytestmark = pytest.mark.anyio
BALLAST = 1_000_000
PICTURE = bytes(range(256)) * 400
LIMITS = Limits(segment_bytes=400_000, spare_bytes=200_000)
INDEX = 150_000
"""It may grow by so much until the folder is measured again."""
QUOTA = Keep(settled=1e9, dead=1e9, quota=Size("2MB"))


@pytest.fixture(autouse=True)
def look_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.writer._FULL_SECONDS", 0.05)
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.02)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, a quarter of which is taken by a file that can be removed."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk, since that needs root, to mount a small one")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED: a full disk, since none can be mounted here: {mounted.stderr}")
    try:
        (folder / "ballast").write_bytes(bytes(BALLAST))
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def fill(journal: Journal) -> set[str]:
    """Push until no more is taken; returns what was answered with success."""
    answered: set[str] = set()
    for n in range(1000):
        try:
            await store(journal, f"m{n}", pictures=(PICTURE,))
        except JournalUnavailable:
            return answered
        answered.add(f"m{n}")
    raise AssertionError("it does not fill")


def fill_to_the_last_byte(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


def free(disk: Path) -> int:
    told = os.statvfs(disk)
    return told.f_bavail * told.f_frsize


def deliver(journal: Journal, up_to: int) -> None:
    """The output has all below."""
    cursor = journal.cursors["out"]
    first = cursor.next
    cursor.take(up_to)
    for sequence in range(first, up_to):
        cursor.settle(sequence, "delivered", 1)
    journal.moved()


async def test_what_people_decide_is_brought_to_a_full_disk_too(disk: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        await fill(journal)
        await journal.write_all()
        await journal.write_state()
        assert journal.closed_because is not None


async def test_what_outputs_did_is_noted_while_room_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given looks for room that come as often as notes, each must not put off the next note: nothing would ever go."""
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.05)
    async with running(tmp_path, keep=QUOTA, limits=LIMITS) as journal:
        await fill(journal)
        deliver(journal, journal.next)
        await until(lambda: journal.closed_because is None)
        await store(journal, "next", pictures=(PICTURE,))


async def test_a_full_disk_refuses_and_recovers(disk: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        answered = await fill(journal)
        assert 10 < len(answered) < 40
        assert free(disk) > 0, "the reserve is for others"
        assert set((await contents(journal)).values()) == answered
        for _ in range(3):
            with pytest.raises(JournalUnavailable, match="the journal is full"):
                await store(journal, "refused", pictures=(PICTURE,))
        (disk / "ballast").unlink()
        await until(lambda: journal.closed_because is None)
        assert not (await store(journal, "refused", pictures=(PICTURE,))).duplicate
        assert set((await contents(journal)).values()) == {*answered, "refused"}
    assert await contents_of(disk / "journal") == {*answered, "refused"}


async def test_on_a_disk_without_one_free_byte_progress_is_logged_and_makes_room(disk: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        answered = await fill(journal)
        fill_to_the_last_byte(disk)
        deliver(journal, 5)
        await until(lambda: not journal.cursors["out"].moved)
        await until(lambda: journal.log.first > 1)  # what every output has gives way
        fill_to_the_last_byte(disk)
        last = journal.next
        deliver(journal, last)
        await until(lambda: not journal.cursors["out"].moved)
        await until(lambda: journal.closed_because is None)
        await store(journal, "after", pictures=(PICTURE,))
    async with running(disk / "journal", limits=LIMITS) as journal:
        assert journal.cursors["out"].next == last
        assert journal.cursors["out"].open_entries() == []
        left = set((await contents(journal)).values())
        assert "after" in left
        assert left < {*answered, "after"}


async def test_progress_is_logged_however_often_others_take_what_was_freed(disk: Path, tmp_path: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        await fill(journal)
        fill_to_the_last_byte(disk)
        for sequence in range(2, 30):
            deliver(journal, sequence)
            await until(lambda: not journal.cursors["out"].moved)
            fill_to_the_last_byte(disk)
            if journal.cursors["out"].next >= journal.next:
                break
        assert journal.cursors["out"].low == journal.cursors["out"].next > 10
        image = crash_image(journal, tmp_path / "image")
    async with running(image, limits=LIMITS) as after:
        assert after.cursors["out"].next == after.cursors["out"].low == journal.cursors["out"].next


async def test_a_disk_that_is_full_at_the_start_delivers_what_it_has(disk: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        answered = await fill(journal)
    for path in (disk / "journal").glob("index.sqlite*"):
        path.unlink()
    (disk / "journal" / "spare").unlink(missing_ok=True)
    fill_to_the_last_byte(disk)
    async with running(disk / "journal", limits=LIMITS) as journal:
        assert journal.closed_because is not None
        assert set((await contents(journal)).values()) == answered
        with pytest.raises(JournalUnavailable, match=r"No space left on device|disk is full"):
            await store(journal, "refused")
        deliver(journal, 2)
        (disk / "ballast").unlink()
        await until(lambda: journal.closed_because is None)
        await store(journal, "after")
        assert (await store(journal, "m0", pictures=(PICTURE,))).duplicate
    assert await contents_of(disk / "journal") == {*answered, "after"}


async def test_a_disk_that_stays_full_is_not_filled_by_our_tries(disk: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        await fill(journal)
        fill_to_the_last_byte(disk)
        segments = len(segment_files(disk / "journal"))
        for n in range(20):
            with pytest.raises(JournalUnavailable):
                await store(journal, f"too large {n}", pictures=(PICTURE,))
            await journal.find("nothing")  # the writer has done what came before
        assert len(segment_files(disk / "journal")) == segments
        (disk / "ballast").unlink()
        await until(lambda: journal.closed_because is None)


async def test_a_start_on_a_full_disk_has_the_spare_for_progress(disk: Path) -> None:
    async with running(disk / "journal", limits=LIMITS) as journal:
        await fill(journal)
    fill_to_the_last_byte(disk)
    async with running(disk / "journal", limits=LIMITS) as journal:
        with pytest.raises(JournalUnavailable, match="the journal is full"):
            await store(journal, "refused", pictures=(PICTURE,))
        deliver(journal, journal.next)
        await until(lambda: journal.closed_because is None)
        await store(journal, "after", pictures=(PICTURE,))


async def test_the_quota_bounds_the_folder(disk: Path) -> None:
    folder = disk / "journal"
    async with running(folder, limits=LIMITS, keep=QUOTA) as journal:
        answered = await fill(journal)
        assert 5 < len(answered) < 20
        assert bytes_in(folder) <= 2_000_000 + INDEX
        assert free(disk) > 500_000
        with pytest.raises(JournalUnavailable, match=r"the journal is full, 1\.\d MB of 2\.0 MB"):
            await store(journal, "refused", pictures=(PICTURE,))
        journal.keep = FOR_EVER
        await until(lambda: journal.closed_because is None)
        await store(journal, "more", pictures=(PICTURE,))


async def test_what_every_output_has_yields_before_a_push_is_refused(disk: Path) -> None:
    folder = disk / "journal"
    async with running(folder, limits=LIMITS, keep=QUOTA) as journal:
        for n in range(60):
            await store(journal, f"m{n}", pictures=(PICTURE,))
            deliver(journal, journal.next)
            await until(lambda: not journal.cursors["out"].moved)
            assert bytes_in(folder) <= 2_000_000 + INDEX
        kept = list((await contents(journal)).values())
        assert kept == [f"m{n}" for n in range(60 - len(kept), 60)]
        assert len(kept) > 5, "no more yields than must"
        assert len(segment_files(folder)) > 2


async def test_a_quota_that_is_smaller_than_a_segment_does_not_lock_the_journal(disk: Path) -> None:
    folder = disk / "journal"
    async with running(folder, limits=Limits(spare_bytes=200_000), keep=QUOTA) as journal:
        for n in range(60):
            await store(journal, f"m{n}", pictures=(PICTURE,))
            deliver(journal, journal.next)
            await until(lambda: not journal.cursors["out"].moved)
            assert bytes_in(folder) <= 2_000_000 + INDEX


async def test_a_disk_that_others_fill_gets_room_from_the_newest_segment_too(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.writer._RETENTION_SECONDS", 0.05)
    async with running(disk / "journal", limits=Limits(spare_bytes=200_000)) as journal:
        for n in range(2):
            await store(journal, f"m{n}", pictures=(PICTURE,))
        with (disk / "ballast").open("ab") as file:
            file.write(bytes(free(disk) - 100_000))
        assert len(journal.log.segments) == 1
        deliver(journal, journal.next)
        await until(lambda: journal.log.first == journal.next)


async def test_one_dead_letter_does_not_hold_all_that_came_after_it(disk: Path) -> None:
    folder = disk / "journal"
    async with running(folder, limits=LIMITS, keep=QUOTA) as journal:
        for n in range(60):
            stored = await store(journal, f"m{n}", pictures=(PICTURE,))
            if n == 2:
                journal.cursors["out"].take(journal.next)
                journal.cursors["out"].bury(stored.sequence, 1, "refused")
            deliver(journal, journal.next)
            await until(lambda: not journal.cursors["out"].moved)
            assert bytes_in(folder) <= 2_000_000 + INDEX
        kept = list((await contents(journal)).values())
        assert kept[0] == "m2"
        assert kept[1:] == [f"m{n}" for n in range(61 - len(kept), 60)]
    assert len(await contents_of(folder)) == len(kept)


async def test_pictures_are_shed_before_a_push_is_refused_where_that_is_wanted(disk: Path) -> None:
    folder = disk / "journal"
    keep = Keep(settled=1e9, dead=1e9, quota=Size("2MB"), when_full="shed_pictures")
    async with running(folder, limits=LIMITS, keep=keep) as journal:
        for n in range(60):
            await store(journal, f"m{n}", pictures=(PICTURE,))
            assert bytes_in(folder) <= 2_000_000 + INDEX
        events, pictures = [], []
        for sequence in range(1, journal.next):
            read = await journal.read(sequence)
            assert isinstance(read, Record)
            events.append(read.blob.msg_id)
            if read.has_pictures:
                assert await read.pictures.read(read.blob.pictures[0].sha256) == PICTURE
                pictures.append(read.blob.msg_id)
        assert events == [f"m{n}" for n in range(60)]
        assert pictures == events[-len(pictures) :]
        assert len(pictures) > 5
        assert (await store(journal, "m0", pictures=(PICTURE,))).duplicate


async def test_what_a_kill_left_reserved_is_given_back_at_the_next_start(tmp_path: Path) -> None:
    async with running(tmp_path, limits=LIMITS) as journal:
        await store(journal, "a")
        (killed,) = segment_files(tmp_path)
        before = killed.stat()
        assert before.st_blocks * 512 >= LIMITS.spare_bytes
        journal._writer.tail._offset = LIMITS.spare_bytes  # so that its end gives nothing back
    assert killed.stat().st_blocks == before.st_blocks
    async with running(tmp_path, limits=LIMITS):
        assert killed.stat().st_size == before.st_size
        assert killed.stat().st_blocks * 512 < LIMITS.spare_bytes


async def test_a_spare_that_was_torn_at_the_begin_of_a_segment_is_made_anew(tmp_path: Path) -> None:
    async with running(tmp_path, limits=LIMITS) as journal:
        await store(journal, "a")
    (tmp_path / "spare").write_bytes(b"BOXBRDG\n" + bytes(9000))
    async with running(tmp_path, limits=LIMITS) as journal:
        await store(journal, "b")
        assert (tmp_path / "spare").stat().st_size == 0
    assert await contents_of(tmp_path) == {"a", "b"}
