"""The writer: whatever call fails, nobody is answered with success for what is not on disk, and all goes on."""

from __future__ import annotations

import asyncio
import errno
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.journal.journal import Journal, JournalUnavailable, Keep, Limits, Stored
from bridge.journal.record import Kind
from bridge.options import Size
from tests.journal.faults import FAULTS, Fault
from tests.journal.journals import (
    FOR_EVER,
    TINY,
    contents,
    contents_of,
    crash_image,
    newest_segment,
    records,
    running,
    segment_files,
    store,
    store_all,
    until,
)

pytestmark = pytest.mark.anyio
faults = pytest.mark.parametrize(("call", "number"), FAULTS, ids=str)


@pytest.fixture(autouse=True)
def try_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.writer._REOPEN_SECONDS", (0.05,))


async def refused(journal: Journal, msg_id: str) -> str:
    with pytest.raises(JournalUnavailable) as caught:
        await store(journal, msg_id)
    return str(caught.value)


async def open_again(journal: Journal) -> None:
    await until(lambda: journal.closed_because is None)


async def store_at_last(journal: Journal, msg_id: str) -> None:
    """Push again and again, as a device does."""
    async with asyncio.timeout(10):
        while True:
            try:
                await store(journal, msg_id)
            except JournalUnavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_what_waits_is_written_as_one_group(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        before = journal.sync_seconds.count
        await store_all(journal, [f"m{n}" for n in range(100)])
        assert journal.sync_seconds.count - before <= 3


async def test_every_group_begins_in_a_block_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(3):
            await store_all(journal, [f"{n}-{k}" for k in range(3)])
    offsets = [found.offset for found in records(newest_segment(tmp_path), Kind.PUSH)]
    assert [offset % 4096 for offset in offsets[::3]] == [0, 0, 0]
    assert newest_segment(tmp_path).stat().st_size % 4096 == 0


@faults
async def test_the_first_fault_is_mended_in_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    async with running(tmp_path / "journal") as journal:
        await store(journal, "before")
        fault = Fault(monkeypatch, call, number)
        await store_all(journal, ["a", "b", "c"])
        assert fault.hits == 1
        assert len(journal.log.segments) == 2
        assert journal.closed_because is None
        await store(journal, "after")
        image = crash_image(journal, tmp_path / "image")
        assert set((await contents(journal)).values()) == {"before", "a", "b", "c", "after"}
    assert await contents_of(image) == {"before", "a", "b", "c", "after"}


@faults
async def test_the_second_fault_refuses_pushes_until_the_disk_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    async with running(tmp_path / "journal") as journal:
        await store(journal, "before")
        fault = Fault(monkeypatch, call, number, times=10**6)
        reason = await refused(journal, "never")
        assert journal.closed_because is not None
        assert reason == journal.closed_because or number == errno.EIO
        await until(lambda: fault.hits > 4)
        assert await contents(journal) == {1: "before"}  # deliveries go on
        image = crash_image(journal, tmp_path / "image")
        fault.end()
        await open_again(journal)
        assert not (await store(journal, "never")).duplicate
        assert set((await contents(journal)).values()) == {"before", "never"}
        later = crash_image(journal, tmp_path / "later")
    assert await contents_of(image) >= {"before"}
    assert await contents_of(later) == {"before", "never"}


@pytest.mark.parametrize("after", range(8))
@faults
async def test_a_fault_at_any_call_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, after: int
) -> None:
    """Each call in turn, over the changes of several segments; every answered push is there at every moment."""
    answered: set[str] = set()
    async with running(tmp_path / "journal", limits=TINY) as journal:
        fault = Fault(monkeypatch, call, number, times=2, after=after)
        for n in range(12):
            try:
                await store(journal, f"m{n}")
                answered.add(f"m{n}")
            except JournalUnavailable:
                await open_again(journal)
            assert set((await contents(journal)).values()) == answered
        assert fault.hits == 2
        image = crash_image(journal, tmp_path / "image")
    assert answered <= await contents_of(image)
    assert len(answered) >= 11


async def test_a_segment_that_failed_is_never_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the next one could not be begun: a file left over from that would cut off what follows."""
    async with running(tmp_path / "journal") as journal:
        await store(journal, "before")
        size = newest_segment(tmp_path / "journal").stat().st_size
        fault = Fault(monkeypatch, "fsync", errno.EIO, times=1)  # the folder's, after the file is whole
        Fault(monkeypatch, "unlink", errno.EIO, times=1)
        await journal.place_output("new", "now")
        assert fault.hits == 1
        assert await refused(journal, "a")
        await open_again(journal)
        await store(journal, "b")
        assert journal.log.segments[0].path.stat().st_size == size
        image = crash_image(journal, tmp_path / "image")
    assert await contents_of(image) == {"before", "b"}


async def test_a_failed_try_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "before")
        fault = Fault(monkeypatch, "fdatasync", errno.ENOSPC, times=10**6)
        await refused(journal, "a")
        await until(lambda: fault.hits > 8)
        assert len(segment_files(tmp_path)) <= 2
        fault.end()
        await open_again(journal)
        await store(journal, "b")
        assert len(segment_files(tmp_path)) == 2


async def test_a_write_that_the_kernel_cuts_short_is_a_failed_group(tmp_path: Path) -> None:
    async with running(tmp_path / "journal") as journal:
        await store(journal, "before")
        path = newest_segment(tmp_path / "journal")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 9416, hard))
            with pytest.raises(JournalUnavailable, match=r"File too large|only \d+ of \d+ bytes"):
                await store(journal, "big", pictures=(b"p" * 100_000,))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await open_again(journal)
        assert not (await store(journal, "big", pictures=(b"p" * 100_000,))).duplicate
        assert set((await contents(journal)).values()) == {"before", "big"}
        image = crash_image(journal, tmp_path / "image")
    assert await contents_of(image) == {"before", "big"}


async def test_outcomes_stay_in_memory_while_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path / "journal") as journal:
        await store(journal, "a")
        fault = Fault(monkeypatch, "fdatasync", errno.EIO, times=10**6)
        await refused(journal, "b")
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.bury(1, 1, "refused")
        journal.moved()
        fault.end()
        await open_again(journal)
        image = crash_image(journal, tmp_path / "image")
        await until(lambda: not cursor.moved)
    async with running(image) as journal:
        assert [entry.reason for entry in journal.cursors["out"].dead_letters()] == ["refused"]


async def test_outcomes_take_no_more_memory_the_longer_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.01)
    monkeypatch.setattr("bridge.journal.cursor._MOST_CHANGES", 100, raising=False)
    async with running(tmp_path / "journal") as journal:
        await store_all(journal, [f"m{n}" for n in range(1000)])
        cursor = journal.cursors["out"]
        fault = Fault(monkeypatch, "fdatasync", errno.EIO, times=10**6)
        await refused(journal, "b")
        for sequence in range(1, 999):
            cursor.take(sequence + 1)
            cursor.settle(sequence, "delivered", 1)
        cursor.take(1000)
        cursor.bury(999, 3, "refused")
        journal.moved()
        await until(lambda: len(cursor.progress().changes) <= 100)
        assert cursor.low == 1
        fault.end()
        await open_again(journal)
        image = crash_image(journal, tmp_path / "image")
        await until(lambda: not cursor.moved)
        assert cursor.low == 999
    async with running(image) as journal:
        cursor = journal.cursors["out"]
        assert (cursor.next, cursor.open_entries()) == (1000, [])
        assert [(entry.sequence, entry.attempts) for entry in cursor.dead_letters()] == [(999, 3)]


@pytest.mark.parametrize(
    ("where", "answered"), [("find", "internal error, see the log"), ("note", "Stored(sequence=1, duplicate=False)")]
)
async def test_an_exception_of_our_own_answers_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, answered: str
) -> None:
    """Before the disk has it, with a refusal; after that with success. Until all is in order nobody else is taken."""
    async with running(tmp_path) as journal:
        with monkeypatch.context() as patch:

            def broken(*_: object) -> None:
                raise ZeroDivisionError("a fault of ours")

            patch.setattr(journal._writer.known, where, broken)
            outcomes = await asyncio.gather(store(journal, "a"), store(journal, "b"), return_exceptions=True)
            await until(lambda: journal.failed_because is not None)
        assert str(outcomes[0]) == answered
        await open_again(journal)
        await store(journal, "c")
        stored = {msg_id for msg_id, one in zip("ab", outcomes, strict=True) if isinstance(one, Stored)}
        assert set((await contents(journal)).values()) == {*stored, "c"}


@pytest.mark.parametrize("where", ["housekeeping", "answer"])
async def test_an_exception_anywhere_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    async with running(tmp_path) as journal:
        whole: Callable[..., None] = getattr(journal._writer, where)
        raised = asyncio.Event()
        loop = asyncio.get_running_loop()

        def broken(*arguments: object) -> None:
            setattr(journal._writer, where, whole)
            loop.call_soon_threadsafe(raised.set)
            raise ZeroDivisionError("a fault of ours")

        monkeypatch.setattr(journal._writer, where, broken)
        journal._writer._retention_due = 0.0
        lost = asyncio.create_task(store(journal, "a"))
        await raised.wait()
        await store_at_last(journal, "b")
        lost.cancel()


async def test_a_job_that_raises_is_told_to_who_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:

        def broken() -> None:
            raise ZeroDivisionError("a fault of theirs")

        with pytest.raises(ZeroDivisionError):
            await journal._in_writer(broken)
        await store(journal, "a")
    with pytest.raises(JournalUnavailable):
        await asyncio.wait_for(journal._in_writer(broken), 5)


async def test_an_exception_at_the_end_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(10):
        async with running(tmp_path) as journal:
            await store(journal, "a")

            def broken() -> None:
                raise ZeroDivisionError("a fault of ours")

            monkeypatch.setattr(journal._writer.known, "write_index", broken)


async def test_nothing_dead_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failed group left is sound or torn, and dead either way: its sequences are those of its second try."""
    async with running(tmp_path) as journal:
        await store(journal, "before")
        Fault(monkeypatch, "fdatasync", errno.EIO)
        await store(journal, "a", pictures=(b"p" * 9000,))
        first, second = journal.log.segments
        (old,) = [found for found in records(first.path, Kind.PUSH) if found.prefix.sequence == 2]
        (new,) = records(second.path, Kind.PUSH)
        assert old.prefix.sequence == new.prefix.sequence == second.base == first.end
        assert not first.is_live(2)


async def test_progress_that_can_not_be_logged_is_said_and_logged_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bridge.journal.writer._CURSOR_SECONDS", 0.02)
    async with running(tmp_path / "journal") as journal:
        await store(journal, "a")
        disk = Fault(monkeypatch, "fdatasync", errno.EIO, times=10**6)
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.settle(1, "delivered", 1)
        journal.moved()
        await until(lambda: journal.closed_because is not None)
        await until(lambda: "the outputs' progress could not be logged" in capsys.readouterr().out)
        disk.end()
        await open_again(journal)
        await until(lambda: not cursor.moved)
        image = crash_image(journal, tmp_path / "image")
    async with running(image) as journal:
        assert journal.cursors["out"].next == 2


async def test_a_disk_that_fails_while_room_is_made_on_it_refuses_the_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a limit that fell, as where others fill the disk, so that only a new segment could make room."""
    limits = Limits(segment_bytes=400_000, spare_bytes=200_000)
    async with running(tmp_path, limits=limits, keep=Keep(settled=1e9, dead=1e9, quota=Size("5MB"))) as journal:
        for n in range(3):
            await store(journal, f"m{n}", pictures=(bytes(100_000) + b"%d" % n,))
        assert len(segment_files(tmp_path)) == 1
        journal.keep = Keep(settled=1e9, dead=1e9, quota=Size("800KB"))
        disk = Fault(monkeypatch, "fdatasync", errno.ENOSPC, times=10**6)
        with pytest.raises(JournalUnavailable, match="no new segment can be begun: No space left"):
            await store(journal, "large", pictures=(bytes(6_000_000),))
        disk.end()
        journal.keep = FOR_EVER
        await open_again(journal)
        await store(journal, "small")
        assert set((await contents(journal)).values()) == {"m0", "m1", "m2", "small"}
