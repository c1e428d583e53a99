"""The journal beside a plain model of it, through random steps, with limits so tiny that all happens often."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bridge.journal.cursor import now_ms
from bridge.journal.journal import Journal, Keep, Limits, Record
from bridge.journal.retention import retain
from tests.journal.journals import a_push

LIMITS = Limits(segment_bytes=65_536, alignment=1)
KEEP = Keep(settled=-1, dead=1e9)
NAMES = ("a", "b", "c")
WINDOW = 2


class Standing:
    """Where the model has an output: the next that it never took, and what is open or dead below."""

    def __init__(self, next_: int) -> None:
        self.next = next_
        self.open: set[int] = set()
        self.dead: set[int] = set()

    def copy(self) -> Standing:
        """It as it stands now."""
        copy = Standing(self.next)
        copy.open, copy.dead = set(self.open), set(self.dead)
        return copy

    @property
    def low(self) -> int:
        """The oldest that must be kept for it."""
        return min([self.next, *self.open, *self.dead])


class JournalMachine(RuleBasedStateMachine):
    """Steps of devices, outputs, operators and misfortune."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="model"))
        self.lives = 0
        self.pushes: dict[int, tuple[str, int]] = {}
        """Message and number of events by first sequence."""
        self.next = 1
        self.outputs: dict[str, Standing] = {"a": Standing(1)}
        self.logged: dict[str, Standing] = {}
        """Where outputs surely stand on disk."""
        self.configured = {"a"}
        self.number = 0
        self.open()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def open(self) -> None:
        """Start on what is there."""
        self.journal = Journal(self.folder / f"life{self.lives}", KEEP, LIMITS)
        self.run(self.journal.open(dict.fromkeys(sorted(self.configured), "oldest")))
        self.log()

    def log(self) -> None:
        """All that outputs did is on disk."""
        self.logged = {name: standing.copy() for name, standing in self.outputs.items()}

    def write_cursors(self) -> None:
        self.run(self.journal._in_writer(self.journal._writer._log_cursors))
        self.log()

    # --- Devices

    @rule(events=st.integers(0, 3), size=st.sampled_from([0, 100, 20_000]))
    def append(self, events: int, size: int) -> None:
        self.number += 1
        msg_id = f"m{self.number}"
        push, parsed = a_push(msg_id, events=events, pictures=(bytes([self.number % 256]) * size,) if size else ())
        stored = self.run(self.journal.append(push, parsed, parsed.events))
        assert not stored.duplicate
        assert stored.sequence == self.next
        self.pushes[self.next] = msg_id, max(1, events)
        self.next += max(1, events)
        self.log()

    @precondition(lambda self: self.pushes)
    @rule(data=st.data())
    def append_again(self, data: st.DataObject) -> None:
        """As a device that did not hear the answer; what retention took is taken as new."""
        sequence = data.draw(st.sampled_from(sorted(self.pushes)))
        msg_id, events = self.pushes[sequence]
        push, parsed = a_push(msg_id, events=events)
        stored = self.run(self.journal.append(push, parsed, parsed.events))
        if stored.duplicate:
            assert self.pushes[stored.sequence][0] == msg_id
        else:
            assert sequence < self.journal.log.first or sequence not in self.pushes
            self.pushes[stored.sequence] = msg_id, events
            self.next = stored.sequence + events
            self.log()

    # --- Outputs

    @rule(name=st.sampled_from(NAMES))
    def take(self, name: str) -> None:
        standing = self.outputs.get(name)
        if standing and len(standing.open) < WINDOW and standing.next < self.next:
            self.journal.cursors[name].take(standing.next + 1)
            standing.open.add(standing.next)
            standing.next += 1

    def _one(self, data: st.DataObject, name: str) -> int | None:
        standing = self.outputs.get(name)
        return data.draw(st.sampled_from(sorted(standing.open))) if standing and standing.open else None

    @rule(name=st.sampled_from(NAMES), data=st.data(), what=st.sampled_from(["settle", "settle", "delay", "bury"]))
    def finish(self, name: str, data: st.DataObject, what: str) -> None:
        sequence = self._one(data, name)
        if sequence is None:
            return
        cursor, standing = self.journal.cursors[name], self.outputs[name]
        if what == "delay":
            cursor.failed(sequence, 1, "busy")
            return
        standing.open.remove(sequence)
        if what == "settle":
            cursor.settle(sequence, "delivered", 1)
        else:
            cursor.bury(sequence, 1, "refused")
            standing.dead.add(sequence)

    @rule(name=st.sampled_from(NAMES))
    def release_dead(self, name: str) -> None:
        standing = self.outputs.get(name)
        if standing and standing.dead:
            self.journal.cursors[name].expire(now_ms() + 1)
            standing.dead.clear()

    # --- Operators and time

    @rule(name=st.sampled_from(NAMES), from_=st.sampled_from(["now", "oldest"]))
    def add_output(self, name: str, from_: Any) -> None:
        self.configured.add(name)
        if name not in self.outputs:
            self.outputs[name] = Standing(self.next if from_ == "now" else self.journal.log.first)
            self.run(self.journal.place_output(name, from_))
            self.log()
        self._configure()

    @precondition(lambda self: len(self.configured) > 1)
    @rule(data=st.data())
    def remove_output(self, data: st.DataObject) -> None:
        """Its cursor is kept."""
        self.configured.remove(data.draw(st.sampled_from(sorted(self.configured))))
        self._configure()

    def _configure(self) -> None:
        """Until the writer has done what follows from it: else it changes files while they are copied."""
        self.journal.configure(self.configured)
        self.write_cursors()

    @rule()
    def log_cursors(self) -> None:
        self.write_cursors()

    @rule()
    def roll(self) -> None:
        self.run(self.journal._in_writer(self.journal._writer.begin_segment))
        self.log()

    @rule()
    def retention(self) -> None:
        journal = self.journal

        def pass_() -> None:
            retain(journal.log, list(journal.cursors.values()), KEEP, now=now_ms(), written=now_ms())
            journal._writer.known.forget(journal.log.first)

        self.run(journal._in_writer(pass_))
        self.pushes = {n: push for n, push in self.pushes.items() if n >= journal.log.first}

    @rule(index=st.sampled_from(["kept", "kept", "gone"]))
    def crash(self, index: str) -> None:
        """A copy of the files as a kill leaves them; what was not logged is forgotten."""
        self.lives += 1
        left = self.folder / f"life{self.lives}"

        def copy() -> None:
            shutil.copytree(self.journal.folder, left)

        self.run(self.journal._in_writer(copy))  # else that thread may change what is being copied
        self.run(self.journal.close())
        shutil.rmtree(self.journal.folder)
        if index == "gone":
            for path in left.glob("index*"):
                path.unlink()
        self._forgotten()
        self.open()

    def _forgotten(self) -> None:
        self.outputs = {name: standing.copy() for name, standing in self.logged.items()}
        for name in self.configured - self.outputs.keys():
            raise AssertionError(f"{name} was never on disk")

    @rule()
    def reopen(self) -> None:
        """An end in good order forgets nothing."""
        self.run(self.journal.close())
        self.open()

    @rule()
    def rebuild(self) -> None:
        known = self.journal._writer.known
        self.run(self.journal._in_writer(known._index.set_aside))
        self.run(self.journal._in_writer(known.write_index))

    # --- What must hold

    @invariant()
    def numbers_agree(self) -> None:
        assert self.journal.next == self.next
        assert self.journal.closed_because is None

    @invariant()
    def outputs_stand_where_they_should(self) -> None:
        for name, standing in self.outputs.items():
            cursor = self.journal.cursors[name]
            assert cursor.next == standing.next, name
            assert {entry.sequence for entry in cursor.open_entries()} == standing.open, name
            assert {entry.sequence for entry in cursor.dead_letters()} == standing.dead, name

    @invariant()
    def all_that_is_needed_can_be_read(self) -> None:
        oldest = min((standing.low for standing in self.logged.values()), default=self.next)
        for sequence, (msg_id, events) in self.pushes.items():
            if sequence + events <= oldest:
                continue
            read = self.journal.log.read_blocking(sequence)
            assert isinstance(read, Record), sequence
            assert (read.sequence, read.blob.msg_id, read.count) == (sequence, msg_id, events)
            for entry in read.blob.pictures:
                read.pictures.read_blocking(entry.sha256)

    def teardown(self) -> None:
        self.run(self.journal.close())
        self.runner.close()
        shutil.rmtree(self.folder)


def check(examples: int, steps: int) -> None:
    """So many random walks of so many steps."""
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_it_does_what_the_model_does() -> None:
    check(examples=40, steps=40)
