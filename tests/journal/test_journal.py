"""The journal as its users see it: what was answered is there, once, and after every restart."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from bridge.errors import FileTrouble
from bridge.event import PictureLost
from bridge.journal.journal import Journal, JournalUnavailable, Keep, Record
from bridge.journal.waiting import Entry, Job
from tests.journal.faults import Fault
from tests.journal.journals import (
    FOR_EVER,
    TINY,
    a_push,
    contents,
    contents_of,
    crash_image,
    damage,
    newest_segment,
    running,
    segment_files,
    store,
    store_all,
    until,
)

pytestmark = pytest.mark.anyio
PICTURE = b"\xff\xd8" + b"picture" * 1000


async def test_an_answered_push_is_read_back_whole(tmp_path: Path) -> None:
    made, parsed = a_push("m", pictures=(PICTURE, b"small", PICTURE, b""))

    async def read_back(journal: Journal) -> None:
        read = await journal.read(1)
        assert isinstance(read, Record)
        event = read.event(1)
        assert event == parsed.events[0]
        assert [await picture.read() for picture in event.pictures] == [PICTURE, b"small", PICTURE, b""]
        assert event.pictures[0].read_blocking() == PICTURE
        assert await read.original().read() == made.body

    async with running(tmp_path) as journal:
        assert (await journal.append(made, parsed, parsed.events)).sequence == 1
        await read_back(journal)
    async with running(tmp_path) as journal:
        await read_back(journal)


async def test_a_push_takes_a_sequence_for_each_event_and_one_for_none(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        assert (await store(journal, "a", events=3)).sequence == 1
        assert (await store(journal, "b", events=0)).sequence == 4
        assert (await store(journal, "c", events=1)).sequence == 5
        assert journal.next == 6
        second = await journal.read(2)
        assert isinstance(second, Record)
        assert second is await journal.read(3)
        assert [second.event(n) and second.event(n).description for n in (1, 2, 3, 4)] == ["a 0", "a 1", "a 2", None]  # type: ignore[union-attr]
        none = await journal.read(4)
        assert isinstance(none, Record)
        assert none.event(4) is None


async def test_a_restart_finds_all_and_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store_all(journal, ["a", "b", "c"])
    first = newest_segment(tmp_path)
    size = first.stat().st_size
    async with running(tmp_path) as journal:
        await store(journal, "d")
        assert set((await contents(journal)).values()) == {"a", "b", "c", "d"}
    assert newest_segment(tmp_path) != first
    assert first.stat().st_size == size


async def test_starts_without_pushes_pile_up_no_files(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
    for _ in range(5):
        async with running(tmp_path):
            pass
    assert len(segment_files(tmp_path)) == 2
    assert await contents_of(tmp_path) == {"a"}


async def test_segments_end_when_they_are_full(tmp_path: Path) -> None:
    msg_ids = [f"m{n}" for n in range(40)]
    async with running(tmp_path, limits=TINY) as journal:
        for msg_id in msg_ids:
            await store(journal, msg_id)
        assert len(journal.log.segments) > 10
        assert list((await contents(journal)).values()) == msg_ids
    assert await contents_of(tmp_path) == set(msg_ids)


async def test_the_same_push_again_is_a_duplicate(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        first = await store(journal, "a", pictures=(PICTURE,))
        assert not first.duplicate
        again = await store(journal, "a", pictures=(PICTURE,))
        assert (again.sequence, again.duplicate) == (first.sequence, True)
        await journal.find("a")  # writes the index
        assert (await store(journal, "a", pictures=(PICTURE,))).duplicate
    async with running(tmp_path) as journal:
        assert (await store(journal, "a", pictures=(PICTURE,))).duplicate
        assert journal.next == 2


async def test_the_same_push_at_the_same_time_is_stored_once(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        stored = await asyncio.gather(*(store(journal, "a") for _ in range(10)))
        assert sorted(one.duplicate for one in stored) == [False] + [True] * 9
        assert {one.sequence for one in stored} == {1}
        assert journal.next == 2


async def test_a_reused_msg_id_is_a_new_event(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        stored = [
            await store(journal, "7"),
            await store(journal, "7", digest=b"2"),
            await store(journal, "7", device="other"),
        ]
        assert [one.duplicate for one in stored] == [False, False, False]
        both = await asyncio.gather(store(journal, "8"), store(journal, "8", digest=b"2"))
        assert [one.duplicate for one in both] == [False, False]
        assert (await store(journal, "7", digest=b"2")).sequence == stored[1].sequence


async def test_a_damaged_picture_is_said_and_its_event_lives_on(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a", pictures=(PICTURE, b"other picture"))
    path = newest_segment(tmp_path)
    damage(path, path.read_bytes().index(PICTURE) + 100)
    async with running(tmp_path) as journal:
        read = await journal.read(1)
        assert isinstance(read, Record)
        event = read.event(1)
        assert event is not None
        with pytest.raises(PictureLost, match=r"is damaged on disk \(00000001.seg, offset \d+\)"):
            await event.pictures[0].read()
        assert await event.pictures[1].read() == b"other picture"


async def test_a_picture_that_the_disk_does_not_give_is_lost_only_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a", pictures=(PICTURE,))
    async with running(tmp_path) as journal:
        read = await journal.read(1)
        assert isinstance(read, Record)
        event = read.event(1)
        assert event is not None
        with monkeypatch.context() as away:
            for call in ("pread", "preadv"):
                Fault(away, call, errno.EIO, times=10**6)
            for _ in range(2):
                with pytest.raises(OSError, match=r"picture \w+ can't be read now \(00000001.seg, offset \d+\)"):
                    await event.pictures[0].read()
            away.setattr("bridge.journal.segment._PATIENCE_SECONDS", 0.0)
            with pytest.raises(PictureLost):
                await event.pictures[0].read()
        assert await event.pictures[0].read() == PICTURE
        assert journal.log.segments[0]._unread_since == {}  # the next trouble is another one, with patience of its own


async def test_a_push_whose_picture_was_damaged_is_taken_again(tmp_path: Path) -> None:
    """A tear can lie inside a picture: then the push was never answered, and nobody may say that it was."""
    async with running(tmp_path) as journal:
        await store(journal, "a", pictures=(PICTURE,))
    path = newest_segment(tmp_path)
    damage(path, path.read_bytes().index(PICTURE) + 100)
    async with running(tmp_path) as journal:
        assert not (await store(journal, "a", pictures=(PICTURE,))).duplicate
        assert (await store(journal, "a", pictures=(PICTURE,))).duplicate


async def test_new_outputs_begin_where_they_should(tmp_path: Path) -> None:
    async with running(tmp_path, {"old": "now"}) as journal:
        await store(journal, "a")
        assert (await journal.place_output("fresh", "now")).next == 2
        assert (await journal.place_output("all", "oldest")).next == 1
        assert await journal.place_output("old", "now") is journal.cursors["old"]
        image = crash_image(journal, tmp_path / "image")
    async with running(image, {"old": "now", "fresh": "now", "all": "now"}) as journal:
        assert {name: cursor.next for name, cursor in journal.cursors.items()} == {"old": 1, "fresh": 2, "all": 1}
        assert len({cursor.number for cursor in journal.cursors.values()}) == 3


async def test_an_output_that_is_no_longer_configured_keeps_its_place(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": "now", "b": "now"}) as journal:
        await store_all(journal, ["x", "y"])
        journal.cursors["b"].take(2)
    async with running(tmp_path, {"a": "now"}) as journal:
        assert [(cursor.name, cursor.waiting(journal.next)) for cursor in journal.parked] == [("b", 2)]
        journal.configure(["a", "b"])
        assert journal.parked == []
    async with running(tmp_path, {"a": "now", "b": "now"}) as journal:
        assert [entry.sequence for entry in journal.cursors["b"].open_entries()] == [1]
        assert journal.cursors["b"].next == 2


async def test_outcomes_survive_a_crash_within_a_second(tmp_path: Path) -> None:
    async with running(tmp_path / "journal") as journal:
        await store_all(journal, [f"m{n}" for n in range(4)])
        cursor = journal.cursors["out"]
        cursor.take(5)
        cursor.settle(1, "delivered", 1)
        cursor.failed(2, 3, "busy")
        cursor.bury(3, 4, "refused")
        journal.moved()
        await until(lambda: not cursor.moved)
        image = crash_image(journal, tmp_path / "image")
    async with running(image) as journal:
        cursor = journal.cursors["out"]
        assert [(one.sequence, one.attempts, one.reason) for one in cursor.open_entries()] == [
            (2, 3, "busy"),
            (4, 0, ""),
        ]
        assert [(one.sequence, one.attempts, one.reason) for one in cursor.dead_letters()] == [(3, 4, "refused")]
        assert cursor.next == 5


async def test_outcomes_go_along_with_the_next_push(tmp_path: Path) -> None:
    async with running(tmp_path / "journal") as journal:
        await store(journal, "a")
        journal.cursors["out"].take(2)
        journal.cursors["out"].settle(1, "delivered", 1)
        await store(journal, "b")
        image = crash_image(journal, tmp_path / "image")
    async with running(image) as journal:
        assert journal.cursors["out"].open_entries() == []
        assert journal.cursors["out"].next == 2


async def test_pushes_that_wait_when_it_is_closed_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        waiting = [asyncio.create_task(store(journal, f"m{n}")) for n in range(50)]
        await asyncio.sleep(0)
    assert [one.sequence for one in await asyncio.gather(*waiting)] == list(range(1, 51))
    assert len(await contents_of(tmp_path)) == 50


async def test_a_push_after_the_end_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
    with pytest.raises(JournalUnavailable, match="boxbridge is stopping"):
        await asyncio.wait_for(store(journal, "b"), 5)


async def test_a_device_that_hung_up_harms_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        gone = asyncio.create_task(store(journal, "a"))
        await asyncio.sleep(0)
        gone.cancel()
        await store(journal, "b")
        assert (await store(journal, "a")).duplicate


async def test_a_push_that_cannot_be_packed_harms_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        made, parsed = a_push("a")
        bad = type(parsed)(message="\ud800", device="d", key=parsed.key, events=parsed.events)
        outcomes = await asyncio.gather(
            store(journal, "b"), journal.append(made, bad, bad.events), store(journal, "c"), return_exceptions=True
        )
        assert isinstance(outcomes[1], UnicodeEncodeError)
        assert journal.closed_because is None
        assert set((await contents(journal)).values()) == {"b", "c"}


async def test_a_push_of_very_many_events_and_pictures_is_stored(tmp_path: Path) -> None:
    pictures = tuple(f"picture {n}".encode() for n in range(2500))
    async with running(tmp_path) as journal:
        await store(journal, "many", events=3, pictures=pictures)
        made, parsed = a_push("more")
        await journal.append(made, parsed, parsed.events * 70_000)
        assert journal.next == 70_004
        assert await contents(journal) == {1: "many", 4: "more"}


async def test_events_are_found_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a", events=2)
        found = await journal.find("a")
        assert [row.sequence for row in found] == [1, 2]
        assert [row.sequence for row in await journal.find(found[1].id)] == [2]


async def test_users_are_told_of_appends(tmp_path: Path) -> None:
    told = asyncio.Event()
    async with running(tmp_path) as journal:
        journal.on_append.append(told.set)
        await store(journal, "a")
        await asyncio.wait_for(told.wait(), 5)


async def test_a_newer_format_is_left_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("bridge.journal.segment.FORMAT_VERSION", 2)
        async with running(tmp_path) as journal:
            await store(journal, "a")
    for n in range(1000, 1010):  # files that are set aside otherwise, whatever comes first
        (tmp_path / f"{n:08}.seg").write_bytes(b"torn")
    before = {path.name: path.read_bytes() for path in segment_files(tmp_path)}
    journal = Journal(tmp_path, FOR_EVER)
    with pytest.raises(FileTrouble, match="has format 2; this version reads up to 1; start the newer version"):
        await journal.open({})
    assert {path.name: path.read_bytes() for path in segment_files(tmp_path)} == before
    monkeypatch.setattr("bridge.journal.segment.FORMAT_VERSION", 2)
    assert await contents_of(tmp_path) == {"a"}  # and the lock was given back


async def test_a_removed_output_that_gets_a_configured_name_is_removed_no_more(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": "oldest", "b": "oldest"}) as journal:
        journal.configure(["a", "c"])
        assert journal.cursors["b"].removed
        await journal.rename_output("b", "c")
        assert not journal.cursors["c"].removed


async def test_an_output_that_is_renamed_to_what_is_not_configured_stays_parked(tmp_path: Path) -> None:
    async with running(tmp_path, {"a": "oldest", "b": "oldest"}) as journal:
        journal.configure(["a"])
        await journal.rename_output("b", "c")
        assert [cursor.name for cursor in journal.parked] == ["c"]
        await journal.rename_output("c", "a")
        assert journal.parked == []


async def test_a_folder_that_the_disk_does_not_give_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "m")
    disk = Fault(monkeypatch, "pread", errno.EIO, times=10)
    with pytest.raises(FileTrouble, match=rf"the journal in {tmp_path} can't be read: .*Input/output error"):
        async with running(tmp_path):
            pass
    disk.end()
    assert await contents_of(tmp_path) == {"m"}


async def test_what_people_decide_is_refused_while_it_can_not_be_brought_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.writer._REOPEN_SECONDS", (0.05,))
    async with running(tmp_path, {"old": "oldest"}) as journal:
        disk = Fault(monkeypatch, "fdatasync", errno.ENOSPC, times=10**6)
        with pytest.raises(JournalUnavailable, match="No space left"):
            await journal.rename_output("old", "new")
        disk.end()
        await until(lambda: journal.failed_because is None)
    async with running(tmp_path, {}) as journal:
        assert list(journal.cursors) == ["new"], "it is in force all the same"


async def test_who_no_longer_waits_for_the_writer_disturbs_nobody(tmp_path: Path) -> None:
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    async with running(tmp_path) as journal:
        asking = asyncio.create_task(journal.write_state())
        await asyncio.sleep(0)
        asking.cancel()
        await journal.write_all()
        await store(journal, "m")
        assert asking.cancelled()
    assert troubles == []


async def test_it_tells_how_much_it_wrote_and_how_much_room_there_is(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        before, outlook = journal.written, journal.outlook()
        await store(journal, "m", pictures=(PICTURE,))
        await journal.write_all()
        assert journal.written["log"] >= before["log"] + len(PICTURE)
        assert journal.written["index"] > before["index"]
        assert journal.outlook().taken > outlook.taken
        assert journal.outlook().limit > outlook.taken


async def test_its_lock_may_be_taken_before_it_is_opened_and_given_back_without(tmp_path: Path) -> None:
    journal, other = (Journal(tmp_path, Keep(settled=60, dead=60)) for _ in range(2))
    journal.lock()
    journal.lock()  # it has it already
    with pytest.raises(FileTrouble, match="in use"):
        other.lock()
    journal.unlock()
    journal.unlock()
    other.lock()
    other.unlock()


async def test_who_was_answered_together_is_handed_over_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given two that were answered at once: the writer has them as soon as both are there, whoever else comes then."""
    async with running(tmp_path) as journal:
        await asyncio.gather(store(journal, "a"), store(journal, "b"))
        handed, submit = [], journal._writer.submit

        def noted(*items: Entry | Job) -> None:
            handed.append(len(items))
            submit(*items)

        monkeypatch.setattr(journal._writer, "submit", noted)
        await asyncio.gather(*(store(journal, msg_id) for msg_id in "cde"))
        assert handed[:2] == [2, 1]
