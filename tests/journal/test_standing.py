"""How events stand: every state is told from cursors and troubles, and lists find all of one state and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.history import deliveries
from bridge.journal.journal import Journal
from bridge.journal.questions import BEGINNING, Filter, troubles
from bridge.journal.record import OpenEntry, OutputEntry
from bridge.journal.standing import Listing, Standing
from tests.journal.journals import TINY, running, store

pytestmark = pytest.mark.anyio


async def settle_variously(journal: Journal) -> None:
    """Ten events: delivered, dead, dropped, expired, replayed, retried, skipped twice, and two that wait."""
    for n in range(1, 11):
        await store(journal, f"m{n}", device=f"box-{n % 2}")
    cursor = journal.cursors["out"]
    cursor.take(9)
    cursor.settle(1, "delivered", 1)
    for sequence in (2, 3, 4, 6):
        cursor.bury(sequence, 1, "refused")
    cursor.settle(3, "dropped", 1)
    cursor.settle(4, "expired", 1)
    cursor.settle(5, "delivered", 1)
    assert cursor.reopen(5, replay=True)
    cursor.settle(5, "delivered", 1)
    assert cursor.reopen(6, replay=False)
    cursor.settle(6, "delivered", 1)
    cursor.settle(7, "delivered", 1)
    cursor.skip_to(9, "too much")
    await store(journal, "last")


def lose_index(folder: Path) -> None:
    for file in folder.glob("index.sqlite*"):
        file.unlink()


EXPECTED = {
    1: "delivered", 2: "dead", 3: "dropped", 4: "expired", 5: "delivered", 6: "delivered", 7: "delivered",
    8: "skipped", 9: "waiting", 10: "waiting", 11: "waiting",
}  # fmt: skip


async def listed(journal: Journal, state: str = "", limit: int = 100, **asked: str) -> dict[int, str]:
    """All pages of a list, by sequence."""
    listing = Listing([Standing(journal.cursors["out"].entry())], journal.next, Filter(**asked), state)  # type: ignore[arg-type]
    found: dict[int, str] = {}
    after = BEGINNING
    while True:
        page = await journal.ask(lambda index, after=after: listing.page(index, after, limit))  # type: ignore[misc]
        found |= {one.row.sequence: one.outputs["out"] for one in page.events}
        if page.after is None:
            return found
        after = page.after


@pytest.mark.parametrize("few", [5000, 0], ids=["looked up", "found on the way"])
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_every_state_is_found_whole_before_and_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, limit: int
) -> None:
    monkeypatch.setattr("bridge.journal.standing._FEW", few)
    async with running(tmp_path) as journal:
        await settle_variously(journal)
        assert await listed(journal, limit=limit) == EXPECTED
    lose_index(tmp_path)
    async with running(tmp_path) as journal:
        assert list(await listed(journal, limit=limit)) == list(range(11, 0, -1))
        for state in set(EXPECTED.values()):
            expected = {sequence: state for sequence, other in EXPECTED.items() if other == state}
            assert await listed(journal, state, limit) == expected


@pytest.mark.parametrize("state", ["", "waiting"])
async def test_the_last_part_of_a_list_says_that_it_is_the_last(tmp_path: Path, state: str) -> None:
    """Given as many events as are asked for, and no more: nobody is told of others."""
    async with running(tmp_path) as journal:
        for n in range(3):
            await store(journal, f"m{n}")
        listing = Listing([Standing(journal.cursors["out"].entry())], journal.next, Filter(), state)
        pages = [await journal.ask(lambda index, n=n: listing.page(index, BEGINNING, n)) for n in (2, 3)]  # type: ignore[misc]
        assert [(len(page.events), page.after is None) for page in pages] == [(2, False), (3, True)]


async def test_a_list_is_filtered(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await settle_variously(journal)
        assert await listed(journal, kind="nothing") == {}
        (kind,) = {row.kind for row in await journal.find("m1")}
        assert await listed(journal, kind=kind) == EXPECTED


async def test_a_delivery_is_found_in_whichever_segment_it_was_logged(tmp_path: Path) -> None:
    """Given an event that was delivered many segments after it came, and again much later: both are found."""
    async with running(tmp_path, {"out": "oldest", "other": "oldest"}, limits=TINY) as journal:
        await store(journal, "early")
        for n in range(60):
            await store(journal, f"before {n}")
        cursor, other = journal.cursors["out"], journal.cursors["other"]
        cursor.take(2)
        cursor.failed(1, 1, "busy")
        await store(journal, "between")
        cursor.settle(1, "delivered", 2)
        for n in range(60):
            await store(journal, f"after {n}")
        cursor.reopen(1, replay=True)
        cursor.settle(1, "delivered", 1)
        for n in range(60):
            await store(journal, f"later {n}")
        assert len(journal.log.segments) > 8
        entries = [cursor.entry(), other.entry()]
        (retry, replay) = await journal.ask(lambda index: troubles(index, 1, 1))
        assert (retry.outcome, replay.outcome) == ("retry", "replay")
        found = deliveries(journal.log, 1, entries, [replay.when])
        assert [(change.output, change.attempts) for change in found] == [(cursor.number, 2), (cursor.number, 1)]
        assert deliveries(journal.log, 2, entries, []) == []


@pytest.mark.parametrize("again", [False, True])
async def test_a_delivery_is_found_that_a_new_segment_knew_before_it_was_logged(tmp_path: Path, again: bool) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.settle(1, "delivered", 1)
        if again:
            await journal.write_all()
            cursor.reopen(1, replay=True)
            cursor.settle(1, "delivered", 2)
        await journal.write_state()
        await journal.write_all()
        replayed = [change.when for change in await journal.ask(lambda index: troubles(index, 1, 1))]
        found = deliveries(journal.log, 1, [cursor.entry()], replayed)
        assert [change.attempts for change in found] == ([1, 2] if again else [1])


async def test_looking_for_a_delivery_leaves_no_old_segment_open(tmp_path: Path) -> None:
    """Else one question of an old event would use up what a process may have open, and the journal could not go on."""
    async with running(tmp_path, limits=TINY) as journal:
        for n in range(60):
            await store(journal, f"m{n}")
        cursor = journal.cursors["out"]
        cursor.take(61)
        cursor.settle(1, "delivered", 1)
        await journal.write_all()
        old = journal.log.segments[:-1]
        assert len(old) > 10
        assert [change.sequence for change in deliveries(journal.log, 1, [cursor.entry()], [])] == [1]
        assert [segment.path.name for segment in old if segment._descriptor is not None] == []


def test_what_waits_in_a_range_is_counted() -> None:
    entry = OutputEntry(1, "out", 1, 8, (OpenEntry(2), OpenEntry(4, dead_since=1), OpenEntry(6)))
    standing = Standing(entry)
    assert standing.waiting_between(1, 8) == 2
    assert standing.waiting_between(3, 11) == 1 + 3
    assert standing.waiting_between(9, 11) == 2
    assert standing.waiting_between(3, 6) == 0


async def test_a_page_that_looked_at_enough_is_short_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given very many events that wait and few that were delivered, long ago."""
    monkeypatch.setattr("bridge.journal.standing._LOOKED_AT", 500)
    async with running(tmp_path) as journal:
        for n in range(51):
            await store(journal, f"m{n}", events=10)
        cursor = journal.cursors["out"]
        cursor.take(2)
        cursor.settle(1, "delivered", 1)
        listing = Listing([Standing(cursor.entry())], journal.next, Filter(), "delivered")
        first = await journal.ask(lambda index: listing.page(index, BEGINNING, 20))
        assert first.events == []
        after = first.after
        assert after is not None
        second = await journal.ask(lambda index: listing.page(index, after, 20))
        assert [(one.row.sequence, one.outputs) for one in second.events] == [(1, {"out": "delivered"})]
        assert second.after is None
