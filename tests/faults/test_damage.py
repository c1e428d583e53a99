"""Damage of every kind to a journal at rest: the start never fails, neighbours are delivered, what is lost is named."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bridge.journal.record import Kind
from tests.faults.forks import Forks
from tests.faults.history import History, events_of
from tests.faults.past import Past, Round
from tests.journal.journals import cut, damage, newest_segment, records, segment_files

BITS = 60
"""How many bits are flipped, one at a time."""


@pytest.fixture
def rest(forks: Forks, past: Past, tmp_path: Path) -> Round:
    return Round(forks, past, tmp_path / "round")


def lay_out(rest: Round) -> Path:
    """The journal of the past, to be damaged."""
    shutil.rmtree(rest.folder, ignore_errors=True)
    rest.folder.mkdir(parents=True)
    return rest.past.copy(rest.journal)


def start(rest: Round) -> History:
    """What a start finds. Devices push again, so that nothing is lost for good: the index may swallow none of it."""
    return rest.prove(rest.past.lines)


def wrong(history: History) -> list[str]:
    """What damage does not excuse: a dead letter may have lain in what is damaged."""
    return [fault for fault in history.faults(unreadable=True) if not fault.startswith("a dead letter is lost")]


def named(rest: Round) -> str:
    """What the last lives said of damage."""
    return rest.forks.log.read_text(errors="replace")


def test_each_flipped_bit(rest: Round, seed: int) -> None:
    """Anywhere in the newest segment: headers, state, records, pictures, padding."""
    chance = random.Random(seed)
    size = newest_segment(rest.past.folder).stat().st_size
    for _ in range(BITS):
        path = newest_segment(lay_out(rest))
        offset = chance.randrange(size)
        damage(path, offset)
        history = start(rest)
        assert not wrong(history), (offset, wrong(history))
        assert len(history.kept_twice) <= 1, offset


def test_each_page_of_zeros(rest: Round) -> None:
    for path in segment_files(rest.past.folder):
        for page in range(path.stat().st_size // 4096):
            damage(lay_out(rest) / path.name, page * 4096, bytes(4096))
            history = start(rest)
            assert not wrong(history), (path.name, page, wrong(history))


def test_each_byte_cut_off_the_last_record(rest: Round) -> None:
    """Every 40th: all of them are tried beside the journal, without deliveries."""
    last = records(newest_segment(rest.past.folder), Kind.PUSH)[-1]
    for size in range(last.offset, last.end, 40):
        cut(newest_segment(lay_out(rest)), size)
        history = start(rest)
        assert not history.faults(unreadable=True), (size, history.faults())


def test_each_missing_segment(rest: Round) -> None:
    """Its events are delivered when their devices push them again, whatever the index says of them."""
    for path in segment_files(rest.past.folder):
        (lay_out(rest) / path.name).unlink()
        history = start(rest)
        assert not wrong(history), (path.name, wrong(history))


def of_another(journal: Path, rest: Round) -> None:
    """The index of another installation, which knows the same pushes under other sequences."""
    other = Past.made(rest.forks, rest.folder / "other")
    remove_index(journal)
    for path in other.folder.glob("index.sqlite*"):
        shutil.copy(path, journal)


def remove_index(journal: Path, _rest: Round | None = None) -> None:
    """No index at all."""
    for path in journal.glob("index.sqlite*"):
        path.unlink()


def empty_index(journal: Path, _rest: Round) -> None:
    """A file without a byte."""
    remove_index(journal)
    (journal / "index.sqlite").touch()


def torn_index(journal: Path, _rest: Round) -> None:
    """Half of the file, and none of its write-ahead log."""
    whole = (journal / "index.sqlite").read_bytes()
    remove_index(journal)
    (journal / "index.sqlite").write_bytes(whole[: len(whole) // 2])


def wrong_index(journal: Path, _rest: Round) -> None:
    """An index that is sound and says that every push lies at another sequence."""
    with closing(sqlite3.connect(journal / "index.sqlite")) as connection, connection:
        connection.execute("UPDATE push SET sequence = sequence + 1000")
        connection.execute("UPDATE push SET sequence = 1001 - (sequence - 1000)")


def half_built(journal: Path, rest: Round) -> None:
    """A rebuild that was killed."""
    remove_index(journal)
    rest.again(do="rest", point=("rows to be committed", "kill", 1))


@pytest.mark.parametrize("spoil", [remove_index, empty_index, torn_index, wrong_index, of_another, half_built])
def test_an_index_in_any_state_swallows_nothing(rest: Round, spoil: Callable[[Path, Round], None]) -> None:
    journal = lay_out(rest)
    spoil(journal, rest)
    history = start(rest)
    # An index that lies is not believed: its pushes are taken as new.
    assert not history.faults(unreadable=spoil is wrong_index), history.faults()
    assert set(history.kept.values()) == history.sent


def test_the_newest_segments_are_missing_and_their_events_come_again(rest: Round) -> None:
    """The index knows them: they must be stored all the same, and under sequences of their own."""
    lay_out(rest)
    rest.again(do="rest")
    for path in segment_files(rest.journal)[-2:]:
        path.unlink()
    before = set(History().tell(rest.past.lines).answered)
    history = start(rest)
    assert "ALARM: the index knows events that the log has not: a segment was lost" in named(rest)
    assert before <= set(history.kept.values())
    for msg_id in before:
        assert events_of(msg_id) == len(
            {number for name, number in {*history.delivered, *history.dead} if name == msg_id}
        )
