"""Cursors: whatever is done in whatever order, nothing unsettled is ever taken as settled, in memory or on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.journal.cursor import Cursor, Progress, State
from bridge.journal.places import Moves
from bridge.journal.record import (
    ChangesBlob,
    OutputEntry,
    StateBlob,
    decode_changes,
    decode_state,
    pack,
)

picks = st.integers(0, 10_000)


def a_cursor(next_: int = 1) -> Cursor:
    return Cursor(OutputEntry(1, "out", next_, next_))


def log_all(cursor: Cursor) -> ChangesBlob:
    progress = cursor.progress()
    cursor.logged(progress)
    return Moves([(cursor, progress)]).blob()


def replayed(head: OutputEntry, *changes: ChangesBlob) -> OutputEntry:
    state = State(decode_state(pack(StateBlob(2, (head,)))))
    for blob in changes:
        state.apply(decode_changes(pack(blob)))
    (entry,) = state.outputs()
    return entry


class CursorAgainstModel(RuleBasedStateMachine):
    """A cursor and its log beside plain sets; the log is replayed as a start would, at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor = a_cursor()
        self.head = self.cursor.entry()
        self.log: list[ChangesBlob] = []
        self.open: set[int] = set()
        self.dead: set[int] = set()
        self.next = 1
        self.writing: Progress | None = None
        self.pinned: set[int] = set()
        self.writing_pinned: set[int] = set()
        """What was opened again: until that is on disk, the replay or the dead letter keeps it, not this cursor."""

    # --- The loop

    @rule(count=st.integers(1, 5))
    def take(self, count: int) -> None:
        self.cursor.take(self.next + count)
        self.open |= set(range(self.next, self.next + count))
        self.next += count

    @precondition(lambda self: self.open)
    @rule(pick=picks, outcome=st.sampled_from(["delivered", "none"]))
    def settle(self, pick: int, outcome: str) -> None:
        sequence = self.an_open(pick)
        self.cursor.settle(sequence, outcome, 1)
        self.open.remove(sequence)

    @precondition(lambda self: self.open)
    @rule(pick=picks, attempts=st.integers(1, 9))
    def fail(self, pick: int, attempts: int) -> None:
        entry = self.cursor.failed(self.an_open(pick), attempts, "why")
        assert entry is not None
        assert entry.attempts == attempts

    @precondition(lambda self: self.open)
    @rule(pick=picks)
    def bury(self, pick: int) -> None:
        sequence = self.an_open(pick)
        self.cursor.bury(sequence, 3, "why")
        self.open.remove(sequence)
        self.dead.add(sequence)

    @rule(sequence=st.integers(1, 40), replay=st.booleans())
    def reopen(self, sequence: int, replay: bool) -> None:
        settled = sequence < self.next and sequence not in self.open
        wanted = settled if replay else sequence in self.dead
        assert self.cursor.reopen(sequence, replay=replay) == wanted
        if wanted:
            assert self.cursor.is_replayed(sequence) == (sequence not in self.dead)
            self.dead.discard(sequence)
            self.open.add(sequence)
            self.pinned.add(sequence)
            self.writing_pinned.discard(sequence)

    @rule()
    def expire(self) -> None:
        self.cursor.expire(before=2**60)
        self.dead.clear()

    @rule(ahead=st.integers(-5, 9))
    def skip(self, ahead: int) -> None:
        self.cursor.skip_to(self.next + ahead, "too much")
        self.open = {sequence for sequence in self.open if sequence >= self.next + ahead}
        self.next = max(self.next, self.next + ahead)

    @rule(ahead=st.integers(-5, 9))
    def pass_by(self, ahead: int) -> None:
        assert self.cursor.pass_by(self.next + ahead, "a gap") == max(0, ahead)
        self.next = max(self.next, self.next + ahead)

    @rule(sequence=st.integers(1, 99))
    def settle_what_is_not_open(self, sequence: int) -> None:
        if sequence not in self.open | self.dead:
            self.cursor.settle(sequence, "delivered")
            self.cursor.failed(sequence, 1, "why")
            self.cursor.bury(sequence, 1, "why")

    # --- The writer

    @rule()
    def begin_to_write(self) -> None:
        self.writing = self.cursor.progress()
        self.writing_pinned = set(self.pinned)

    @precondition(lambda self: self.writing)
    @rule(on_disk=st.booleans(), known=st.booleans())
    def end_write(self, on_disk: bool, known: bool) -> None:
        """A failed write may be on disk all the same; only one that surely is counts as logged."""
        assert self.writing is not None
        if on_disk:
            self.log.append(Moves([(self.cursor, self.writing)]).blob())
            if known:
                self.cursor.logged(self.writing)
                self.pinned -= self.writing_pinned
        self.writing = None

    @precondition(lambda self: not self.writing)
    @rule()
    def begin_segment(self) -> None:
        self.head = self.cursor.entry()
        self.log.clear()

    @rule()
    def crash(self) -> None:
        entry = replayed(self.head, *self.log)
        self.cursor = Cursor(entry)
        self.head, self.writing = entry, None
        self.pinned.clear()
        self.log.clear()
        self.dead = {one.sequence for one in entry.open if one.dead_since}
        self.open = {one.sequence for one in entry.open} - self.dead
        self.next = entry.next

    # --- What must hold

    @invariant()
    def nothing_unsettled_is_settled_on_disk(self) -> None:
        entry = replayed(self.head, *self.log)
        assert entry.next <= self.next
        kept = {one.sequence for one in entry.open}
        assert {sequence for sequence in self.open | self.dead if sequence < entry.next} <= kept | self.pinned

    @invariant()
    def retention_keeps_what_the_disk_holds_unsettled(self) -> None:
        entry = replayed(self.head, *self.log)
        kept = {one.sequence for one in entry.open}
        assert self.cursor.low <= min([self.next, *(self.open - self.pinned), *(self.dead - self.pinned)])
        assert self.cursor.low <= min([entry.next, *(kept - self.pinned)])

    @invariant()
    def memory_is_as_the_model(self) -> None:
        assert {one.sequence for one in self.cursor.open_entries()} == self.open
        assert {one.sequence for one in self.cursor.dead_letters()} == self.dead
        assert self.cursor.next == self.next
        assert self.cursor.waiting(self.next + 7) == 7 + len(self.open)

    @invariant()
    def all_logged_means_the_disk_is_as_memory(self) -> None:
        if not self.cursor.moved and not self.writing:
            assert replayed(self.head, *self.log) == self.cursor.entry()

    def an_open(self, pick: int) -> int:
        return sorted(self.open)[pick % len(self.open)]


TestCursorAgainstModel = CursorAgainstModel.TestCase
TestCursorAgainstModel.settings = settings(max_examples=150, stateful_step_count=30)


def test_what_failed_and_died_is_the_same_after_a_restart() -> None:
    cursor = a_cursor()
    head = cursor.entry()
    cursor.take(4)
    cursor.failed(1, 1, "first")
    cursor.failed(1, 2, "second")
    cursor.bury(2, 5, "rejected")
    entry = replayed(head, log_all(cursor))
    assert entry == cursor.entry()
    failing, dead, fresh = entry.open
    assert (failing.attempts, failing.reason, failing.dead_since) == (2, "second", 0)
    assert failing.failing_since > 0
    assert (dead.attempts, dead.reason) == (5, "rejected")
    assert dead.dead_since > 0
    assert (fresh.sequence, fresh.attempts) == (3, 0)


def test_a_change_that_is_logged_twice_changes_nothing() -> None:
    cursor = a_cursor()
    head = cursor.entry()
    cursor.take(9)
    cursor.settle(3, "delivered")
    cursor.bury(4, 2, "why")
    cursor.failed(5, 1, "not now")
    cursor.settle(5, "delivered", 2)
    cursor.skip_to(20, "too much")
    blob = log_all(cursor)
    assert replayed(head, blob) == replayed(head, blob, blob) == replayed(cursor.entry(), blob) == cursor.entry()


def test_a_skip_over_a_million_opens_none_of_them() -> None:
    cursor = a_cursor()
    head = cursor.entry()
    cursor.take(3)
    assert cursor.skip_to(1_000_000, "too much") == 999_999
    assert replayed(head, log_all(cursor)).open == ()


def test_a_dead_letter_that_expired_is_kept_until_the_disk_knows() -> None:
    cursor = a_cursor()
    cursor.take(3)
    cursor.settle(1, "delivered")
    cursor.settle(2, "delivered")
    cursor.take(5)
    cursor.bury(3, 1, "why")
    cursor.settle(4, "delivered")
    log_all(cursor)
    assert cursor.low == 3
    cursor.expire(before=2**60)
    assert cursor.low == 3
    log_all(cursor)
    assert cursor.low == 5


def test_of_too_many_dead_letters_the_oldest_expire_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far side that refuses everything must fill neither memory nor the heads of segments."""
    monkeypatch.setattr("bridge.journal.cursor.MOST_DEAD", 3)
    cursor = a_cursor()
    cursor.take(7)
    for sequence in (5, 2, 6, 1, 4):
        cursor.bury(sequence, 1, "no")
    assert cursor.expire(before=0) == 2
    assert [entry.sequence for entry in cursor.dead_letters()] == [4, 5, 6]
    expired = [(change.sequence, change.reason) for change in cursor.progress().changes if change.outcome == "expired"]
    assert expired == [(1, "no"), (2, "no")]
    assert cursor.expire(before=0) == 0


def test_what_moves_while_progress_is_written_is_logged_next() -> None:
    cursor = a_cursor()
    head = cursor.entry()
    cursor.take(2)
    progress = cursor.progress()
    cursor.settle(1, "delivered")
    cursor.take(3)
    cursor.logged(progress)
    assert cursor.moved
    assert cursor.low == 1
    first = Moves([(cursor, progress)]).blob()
    assert [one.sequence for one in replayed(head, first).open] == [1]
    assert [one.sequence for one in replayed(head, first, log_all(cursor)).open] == [2]
    assert not cursor.moved


def test_changes_of_an_unknown_output_are_passed_over() -> None:
    other = Cursor(OutputEntry(9, "other", 1, 1))
    other.take(5)
    other.settle(1, "delivered")
    assert replayed(a_cursor().entry(), log_all(other)) == a_cursor().entry()


@pytest.mark.parametrize("method", ["progress", "logged", "entry"])
def test_a_thread_switch_inside_it_loses_nothing(method: str) -> None:
    """The loop takes and settles between any two steps that the writer's thread makes in here."""
    for step in range(60):
        cursor = a_cursor()
        head = cursor.entry()
        cursor.take(3)
        cursor.settle(1, "delivered")

        def loop(cursor: Cursor = cursor) -> None:
            cursor.settle(2, "delivered")
            cursor.take(5)
            cursor.settle(3, "delivered")

        with switching(method, step, loop):
            blobs = [log_all(cursor)]
            assert cursor.low <= min([replayed(head, *blobs).next, *open_in(replayed(head, *blobs))])
            segment = cursor.entry()
        assert open_in(replayed(head, *blobs)) >= set(range(1, replayed(head, *blobs).next)) - {1, 2, 3}
        blobs.append(log_all(cursor))
        assert replayed(head, *blobs) == replayed(segment, blobs[-1]) == cursor.entry()


def test_a_dead_letter_that_is_retried_while_others_expire_is_not_lost() -> None:
    """The loop has it tried again between any two steps of the writer's thread: it is open, or it has expired."""
    for step in range(60):
        cursor = a_cursor()
        cursor.take(4)
        for sequence in (1, 2, 3):
            cursor.bury(sequence, 1, "no")
        retried: list[int] = []

        def retry(cursor: Cursor = cursor, retried: list[int] = retried) -> None:
            retried += [sequence for sequence in (3, 2, 1) if cursor.reopen(sequence, replay=False)]

        with switching("expire", step, retry):
            cursor.expire(before=2**60)
        assert [entry.sequence for entry in cursor.open_entries()] == sorted(retried)


def open_in(entry: OutputEntry) -> set[int]:
    return {one.sequence for one in entry.open}


@contextmanager
def switching(method: str, step: int, loop: Callable[[], None]) -> Iterator[None]:
    """Run `loop` in another thread once a method of the cursor has made so many steps of the interpreter."""
    other = Thread(target=loop)
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        if frame.f_code.co_name != method or "cursor.py" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps += 1
            if steps == step:
                other.start()
                other.join(0.005)  # it may have to wait for a lock
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        if other.ident is not None:
            other.join()
        else:
            loop()


def test_it_says_what_waits_longest_and_how_much_was_passed_by() -> None:
    cursor = a_cursor()
    assert (cursor.oldest_waiting(1), cursor.oldest_waiting(5)) == (None, 1)
    cursor.take(4)
    cursor.settle(1, "delivered")
    cursor.bury(2, 1, "no")
    assert cursor.oldest_waiting(5) == 3
    cursor.settle(3, "delivered")
    assert (cursor.oldest_waiting(4), cursor.oldest_waiting(5)) == (None, 4)
    assert cursor.skip_to(9, "too much") == cursor.skipped_events == 5
