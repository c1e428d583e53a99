"""Notes for the history: pushes that were turned away are summed by the minute, and nothing is lost or told twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.notes import Notes
from bridge.journal.questions import output_notes, repetitions, turned_away
from tests.journal.journals import crash_image, running, store

MINUTE = 60_000


class Clock:
    """The time that notes are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100 * MINUTE
        monkeypatch.setattr("bridge.journal.notes.now_ms", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def refuse(notes: Notes, peer: str = "10.0.0.1", reason: str = "not JSON") -> None:
    notes.turn_away("refused", device="", peer=peer, reason=reason)


def test_what_is_alike_within_a_minute_is_one_sum(clock: Clock) -> None:
    notes = Notes()
    refuse(notes)
    clock.now += 5
    refuse(notes)
    refuse(notes, peer="10.0.0.2")
    sums = sorted(notes.pending().turned_away, key=lambda sum_: sum_.peer)
    assert [(sum_.peer, sum_.count, sum_.last - sum_.first) for sum_ in sums] == [
        ("10.0.0.1", 2, 5),
        ("10.0.0.2", 1, 0),
    ]


def test_a_sum_that_grew_since_it_was_written_is_written_again_whole(clock: Clock) -> None:
    notes = Notes()
    refuse(notes)
    pending = notes.pending()
    refuse(notes)
    notes.logged(pending)
    (sum_,) = notes.pending().turned_away
    assert (sum_.first, sum_.count) == (pending.turned_away[0].first, 2)
    notes.logged(notes.pending())
    assert not notes.waiting
    assert not notes.pending()


def test_the_next_minute_begins_another_sum_and_keeps_the_one_before(clock: Clock) -> None:
    notes = Notes()
    refuse(notes)
    clock.now += MINUTE
    refuse(notes)
    pending = notes.pending()
    assert [sum_.count for sum_ in pending.turned_away] == [1, 1]
    clock.now += MINUTE
    refuse(notes)
    notes.logged(pending)
    assert [sum_.first for sum_ in notes.pending().turned_away] == [102 * MINUTE]


def test_very_many_different_ones_are_summed_without_their_names(clock: Clock) -> None:
    notes = Notes()
    for n in range(3000):
        refuse(notes, peer=f"10.0.{n // 256}.{n % 256}")
    sums = notes.pending().turned_away
    assert len(sums) <= 1001
    assert sum(sum_.count for sum_ in sums) == 3000
    assert max(sums, key=lambda sum_: sum_.count).peer == ""


def test_what_is_different_each_time_keeps_its_name_as_long_as_there_are_few_in_a_minute(clock: Clock) -> None:
    """A duplicate is named by its event, and never comes again under the same name."""
    notes = Notes()
    for n in range(3000):
        notes.turn_away("duplicate", device="box", peer="10.0.0.1", sequence=n)
        clock.now += MINUTE
    assert [sum_.sequence for sum_ in notes.pending().turned_away] == list(range(3000))


@pytest.mark.anyio
@pytest.mark.parametrize("index", ["as it was", "lost"])
async def test_it_is_told_after_a_crash_and_by_an_index_that_was_made_again(tmp_path: Path, index: str) -> None:
    async with running(tmp_path / "journal") as journal:
        notes = journal.places.notes
        number = journal.cursors["out"].number
        notes.output(number, "waiting", "connection refused")
        for _ in range(3):
            notes.turn_away("duplicate", device="box", peer="10.0.0.1", sequence=1)
        await store(journal, "m")
        expected = await journal.ask(lambda asked: turned_away(asked, 0, 1 << 60))
        image = crash_image(journal, tmp_path / "crashed")
    if index == "lost":
        for file in image.glob("index.sqlite*"):
            file.unlink()
    async with running(image) as journal:
        (again,) = await journal.ask(lambda asked: repetitions(asked, 1))
        assert [again] == expected
        assert (again.count, again.outcome) == (3, "duplicate")
        (note,) = await journal.ask(lambda asked: output_notes(asked, number, 0, 1 << 60))
        assert (note.state, note.reason) == ("waiting", "connection refused")


def test_the_sums_of_a_refused_box_alone_do_not_press(clock: Clock) -> None:
    notes = Notes()
    refuse(notes)
    assert (notes.waiting, notes.urgent) == (True, False)
    notes.output(1, "waiting", "")
    assert notes.urgent
