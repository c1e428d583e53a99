"""The log: any sequence is read, from wherever it lies, by any number of readers at once."""

from __future__ import annotations

import asyncio
import errno
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.event import PictureLost
from bridge.journal.journal import Lost, Record
from bridge.journal.log import Log
from bridge.journal.record import Kind
from bridge.journal.segment import Offsets
from tests.journal.faults import Fault, noted
from tests.journal.journals import TINY, contents, damage, garble, records, running, segment_files, store, store_all

pytestmark = pytest.mark.anyio


def msg_id(read: Record | Lost) -> str:
    assert isinstance(read, Record), read
    return read.blob.msg_id


async def test_sequences_are_read_in_any_order(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 61):
            await store(journal, f"m{n}")
        order = [*range(1, 61)] * 2
        random.Random(1).shuffle(order)
        for sequence in order:
            assert msg_id(await journal.read(sequence)) == f"m{sequence}"
    async with running(tmp_path, limits=TINY) as journal:
        for sequence in order:
            assert msg_id(await journal.read(sequence)) == f"m{sequence}"


async def test_a_lane_that_walks_needs_no_map(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 41):
            await store_all(journal, [f"m{n}", f"n{n}"])
    async with running(tmp_path, limits=TINY) as journal:
        for sequence in range(1, 81):
            assert isinstance(await journal.read(sequence), Record)
        assert [segment.offsets for segment in journal.log.segments[:-1]] == [None] * (len(journal.log.segments) - 1)


async def test_many_old_segments_cost_neither_memory_nor_descriptors(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 101):
            await store(journal, f"m{n}")
        await contents(journal)
        old = journal.log.segments[:-1]
        assert len(old) > 20
        assert sum(segment.offsets is not None for segment in old) <= 8
        assert sum(segment._descriptor is not None for segment in old) <= 8


async def test_lanes_share_the_records_they_read(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a", pictures=(b"picture",))
    async with running(tmp_path) as journal:
        one, other = await asyncio.gather(journal.read(1), journal.read(1))
        assert isinstance(one, Record)
        assert one is other


async def test_memory_is_bounded_by_the_last_records(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(12):
            await store(journal, f"m{n}", pictures=(bytes([n]) * 1_000_000,), events=2)
        for sequence in range(1, 25):
            await journal.read(sequence)
        assert len(journal.log._records) == 14  # of seven records
        assert 7_000_000 < journal.log._cached_bytes < 8_000_000


async def test_what_is_behind_all_that_keep_up_is_let_go_with_the_next_push(tmp_path: Path) -> None:
    async with running(tmp_path, {"quick": "oldest", "slow": "oldest", "away": "oldest"}) as journal:
        await store(journal, "m1", events=2)  # of which the one that is away takes nothing
        for name in ("quick", "slow"):
            journal.cursors[name].take(2)
        await store(journal, "m3")
        assert sorted(journal.log._records) == [1, 2, 3]
        journal.cursors["quick"].take(4)
        journal.cursors["slow"].take(3)
        await store(journal, "m4")
        assert sorted(journal.log._records) == [1, 2, 3, 4]  # the one that is away could still have it from memory
        journal.log.forget_read()
        for name in ("quick", "slow"):
            journal.cursors[name].take(5)
        await store(journal, "m5")
        await store(journal, "m6")
        assert sorted(journal.log._records) == [5, 6]  # one that is far behind keeps nothing
        journal.cursors["quick"].take(7)
        journal.cursors["slow"].take(6)
        await store(journal, "m7")
        assert sorted(journal.log._records) == [6, 7]
        assert journal.log._cached_bytes == sum(record.size for record in journal.log._records.values())


async def test_damage_costs_no_neighbour_and_is_named(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store_all(journal, [f"m{n}" for n in range(1, 10)])
        await store(journal, "pair", events=2)
        await store(journal, "last")
        path = journal.log.segments[0].path
        found = {one.prefix.sequence: one for one in records(path, Kind.PUSH)}
        for sequence in (4, 6, 10):
            damage(path, found[sequence].offset + 50)
    async with running(tmp_path) as journal:
        for order in (range(1, 13), range(12, 0, -1)):
            read = {sequence: await journal.read(sequence) for sequence in order}
            lost = {sequence: one.until for sequence, one in read.items() if isinstance(one, Lost)}
            assert lost == {4: 5, 6: 7, 10: 12, 11: 12}
            assert [msg_id(read[sequence]) for sequence in (3, 5, 7, 12)] == ["m3", "m5", "m7", "last"]
        pushes = list(journal.log.pushes(2))
        assert [(one.sequence, one.until) for one in pushes if isinstance(one, Lost)] == [(4, 5), (6, 7), (10, 12)]
        assert [one.sequence for one in pushes if isinstance(one, Record)] == [2, 3, 5, 7, 8, 9, 12]


async def test_a_missing_segment_is_one_gap(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 41):
            await store(journal, f"m{n}")
        first, gone, following = journal.log.segments[2:5]
    gone.path.unlink()
    async with running(tmp_path, limits=TINY) as journal:
        assert await journal.read(gone.base) == Lost(gone.base, following.base)
        assert await journal.read(gone.base + 1) == Lost(gone.base + 1, following.base)
        assert msg_id(await journal.read(following.base)) == f"m{following.base}"
        assert msg_id(await journal.read(gone.base - 1)) == f"m{gone.base - 1}"
        assert Lost(gone.base, following.base) in list(journal.log.pushes(1))
        assert first.base < gone.base


async def test_what_is_older_than_the_log_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(1, 41):
            await store(journal, f"m{n}")
        journal.log.drop(journal.log.segments[0])
        assert journal.log.read_blocking(1) == Lost(1, journal.log.first)


async def test_readers_in_threads_and_a_writer_do_not_disturb_each_other(tmp_path: Path) -> None:
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        async with running(tmp_path, limits=TINY) as journal:
            for n in range(1, 121):
                await store(journal, f"m{n}")

            def read(seed: int) -> None:
                for sequence in random.Random(seed).choices(range(1, 121), k=400):
                    assert msg_id(journal.log.read_blocking(sequence)) == f"m{sequence}"

            async def write() -> None:
                for n in range(121, 181):
                    assert (await store(journal, f"m{n}")).sequence == n
                    assert msg_id(await journal.read(n)) == f"m{n}"

            await asyncio.gather(*(asyncio.to_thread(read, seed) for seed in range(4)), write())
    finally:
        sys.setswitchinterval(old)


def test_an_empty_log_has_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert (log.first, log.next, log.bytes_on_disk(), log.segment_of(1)) == (1, 1, 0, None)
    assert list(log.pushes(1)) == []


async def test_a_disk_that_is_away_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given reads that fail and then work again, no event counts as lost, during or after."""
    async with running(tmp_path) as journal:
        for n in range(1, 21):
            await store(journal, f"m{n}")
    async with running(tmp_path) as journal:
        with monkeypatch.context() as away:
            for call in ("pread", "preadv"):
                Fault(away, call, errno.EIO, times=10**6)
            for sequence in (5, 6):
                with pytest.raises(OSError, match="Input/output error"):
                    await journal.read(sequence)
        assert [msg_id(await journal.read(n)) for n in range(1, 21)] == [f"m{n}" for n in range(1, 21)]


async def test_reads_do_not_wait_for_what_hangs_in_the_loops_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        async with running(tmp_path) as journal:
            await store_all(journal, ["a", "b"])
            journal.log._records.clear()
            asyncio.get_running_loop().set_default_executor(executor)
            hanging = asyncio.create_task(asyncio.to_thread(hang.wait, 20))
            Fault(monkeypatch, "preadv", errno.EAGAIN, times=10**6)  # nothing is in memory: it has to wait for the disk
            try:
                async with asyncio.timeout(5):
                    assert [msg_id(await journal.read(sequence)) for sequence in (1, 2)] == ["a", "b"]
            finally:
                hang.set()
                await hanging


async def test_what_is_stored_while_a_damaged_record_is_looked_for_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a damaged last record and a push that is answered in the middle of its look-up, only the record is lost."""
    looked, go_on = threading.Event(), threading.Event()
    after = Offsets.after

    def slow_after(offsets: Offsets, sequence: int) -> int | None:
        found = after(offsets, sequence)
        looked.set()
        assert go_on.wait(10)
        return found

    async with running(tmp_path) as journal:
        await store(journal, "a")
        segment = journal.log.segments[-1]
        assert segment.offsets is not None
        damage(segment.path, (segment.offsets.at(1) or 0) + 80)
        monkeypatch.setattr(Offsets, "after", slow_after)
        reading = asyncio.create_task(asyncio.to_thread(journal.log.read_blocking, 1))
        assert await asyncio.to_thread(looked.wait, 10)
        await store(journal, "b")
        go_on.set()
        assert await reading == Lost(1, 2)
        assert msg_id(await journal.read(2)) == "b"


async def test_a_picture_that_is_not_in_memory_is_read_without_holding_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a", pictures=(b"picture",))
    async with running(tmp_path) as journal:
        read = await journal.read(1)
        assert isinstance(read, Record)
        Fault(monkeypatch, "preadv", errno.EAGAIN)
        calls = noted(monkeypatch, "pread")
        (entry,) = read.blob.pictures
        assert await read.pictures.read(entry.sha256) == b"picture"
        assert calls == ["pread"]


async def test_a_picture_that_a_push_never_had_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a", pictures=(b"picture",))
    async with running(tmp_path) as journal:
        read = await journal.read(1)
        assert isinstance(read, Record)
        with pytest.raises(PictureLost, match="its push has no picture 0000"):
            await read.pictures.read("0" * 64)


async def test_a_record_that_says_nothing_is_lost_and_costs_no_neighbour(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(3):
            await store(journal, f"m{n}", events=2)
        await store(journal, "last")
        (path,) = segment_files(tmp_path)
        garble(path, records(path, Kind.PUSH)[1])
        assert await contents(journal) == {1: "m0", 5: "m2", 7: "last"}
        assert journal.log.read_blocking(3) == Lost(3, 5)
        entries = list(journal.log.pushes(1))
        assert [entry.sequence for entry in entries] == [1, 3, 5, 7]
        assert entries[1] == Lost(3, 5)


async def test_a_change_that_says_nothing_is_passed_by(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        journal.cursors["out"].take(2)
        await store(journal, "b")
        (changes,) = records(segment_files(tmp_path)[0], Kind.CHANGES)
        garble(segment_files(tmp_path)[0], changes)
        assert [type(entry) for entry in journal.log.entries(1)] == [Record, Record]


async def test_one_that_walks_into_a_damaged_record_finds_the_next(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        for n in range(3):
            await store(journal, f"m{n}")
        damage(segment_files(tmp_path)[0], records(segment_files(tmp_path)[0], Kind.PUSH)[1].offset)
        assert [type(journal.log.read_blocking(sequence)) for sequence in (1, 2, 3)] == [Record, Lost, Record]


async def test_a_record_that_the_disk_does_not_give_for_a_while_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a segment whose records' places are known: they stay so."""
    async with running(tmp_path) as journal:
        await store_all(journal, ["a", "b"])
        (segment,) = journal.log.segments
        offsets = segment.map()
        disk = Fault(monkeypatch, "pread", errno.EIO, times=10**6)
        with pytest.raises(OSError, match="Input/output error"):
            journal.log.read_blocking(2)
        disk.end()
        assert msg_id(journal.log.read_blocking(2)) == "b"
        assert segment.offsets is offsets


async def test_one_that_walks_finds_the_next_push_however_much_the_outputs_did_meanwhile(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        cursor = journal.cursors["out"]
        cursor.take(2)
        for _ in range(40):
            cursor.settle(1, "delivered", 1)
            cursor.reopen(1, replay=True)
            await journal.write_all()
        await store(journal, "b")
        assert [msg_id(journal.log.read_blocking(sequence)) for sequence in (1, 2)] == ["a", "b"]
