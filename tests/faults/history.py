"""The history of a journal under test: what was sent, answered and delivered, in the order in which it happened.

Processes under test write it line by line into a file that outlives them; the shim writes what reached the disk between
the lines. Afterwards the sets are compared: answered minus delivered and delivered minus sent must be empty.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

CUT = "cut"
"""The line that says that the power is about to fail."""


@dataclass(frozen=True)
class Line:
    """One thing that happened: said by a process, or a call that the shim saw."""

    name: str
    path: str
    offset: int
    data: bytes

    @property
    def words(self) -> list[str]:
        """What a process said."""
        return self.data.decode().split(" ")


class Teller:
    """Writes what happens, each line with one call: what is written outlives the process."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def say(self, *words: object) -> None:
        """Write a line."""
        text = " ".join(map(str, words)).encode()
        os.write(self.fd, b"say\t\t0\t%d\n%b" % (len(text), text))


def read(path: Path) -> list[Line]:
    """All lines of a record."""
    data = path.read_bytes() if path.exists() else b""
    lines, place = [], 0
    while place < len(data):
        end = data.index(b"\n", place)
        name, about, offset, size = data[place:end].split(b"\t")
        place = end + 1 + int(size)
        lines.append(Line(name.decode(), about.decode(), int(offset), data[end + 1 : place]))
    return lines


def pictures_of(msg_id: str) -> tuple[bytes, ...]:
    """The pictures of a push: they follow from its name, so that anybody can prove them."""
    number = sum(msg_id.encode())
    sizes = ((), (700,), (9000, 40), (0,))[number % 4]
    return tuple((f"{msg_id}/{place} " * size).encode()[:size] for place, size in enumerate(sizes))


def events_of(msg_id: str) -> int:
    """How many events a push has."""
    return sum(msg_id.encode()) % 3 + 1


def digest(pictures: Iterable[bytes]) -> str:
    """One word for several pictures."""
    return "+".join(sha256(picture).hexdigest()[:16] for picture in pictures) or "none"


def is_poison(msg_id: str) -> bool:
    """Whether the output refuses its events for good."""
    return "poison" in msg_id


@dataclass
class History:
    """What became of every push, and what is wrong with that."""

    sent: set[str] = field(default_factory=set)
    answered: dict[str, int] = field(default_factory=dict)
    """The sequence of each push that was answered with success."""
    delivered: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each event was delivered, by push and number."""
    dead: set[tuple[str, int]] = field(default_factory=set)
    kept: dict[int, str] = field(default_factory=dict)
    """What the last start found, by sequence."""
    opened: int = 0
    unopened: list[str] = field(default_factory=list)
    """Why starts were refused, on a disk that failed."""
    reached: list[str] = field(default_factory=list)
    """Fail points at which something happened."""
    refused: int = 0
    hits: int = 0
    """How many calls went wrong in the last life."""
    wrong: list[str] = field(default_factory=list)
    """Faults that show at once."""
    doubtful: list[str] = field(default_factory=list)
    """What is right only where the disk could not be read."""

    def tell(self, lines: Iterable[Line]) -> History:
        """Take in what happened."""
        power = True
        for line in lines:
            power = power and line.name != CUT
            # A sync may go well for what a disk that loses its power then drops: nobody outside heard the answer.
            if line.name == "say" and (power or line.words[0] != "answered"):
                getattr(self, "_" + line.words[0])(*line.words[1:])
        return self

    def _sent(self, msg_id: str) -> None:
        self.sent.add(msg_id)

    def _answered(self, msg_id: str, sequence: str, duplicate: str) -> None:
        before = self.answered.setdefault(msg_id, int(sequence))
        if duplicate == "True" and before != int(sequence):
            self.wrong.append(f"{msg_id} was answered as {before}, and is called a duplicate of {sequence}")
        self.answered[msg_id] = int(sequence)

    def _refused(self, msg_id: str) -> None:
        self.refused += 1

    def _hits(self, count: str) -> None:
        self.hits = int(count)

    def _reached(self, place: str) -> None:
        self.reached.append(place.replace("_", " "))

    def _unopened(self, reason: str) -> None:
        self.unopened.append(reason)

    def _delivered(self, msg_id: str, number: str, proof: str) -> None:
        self.delivered[msg_id, int(number)] += 1
        if proof == "lost":
            self.doubtful.append(f"{msg_id} was delivered without its pictures")
        elif proof != digest(pictures_of(msg_id)):
            self.wrong.append(f"{msg_id} was delivered with other pictures")

    def _dead(self, msg_id: str, number: str) -> None:
        self.dead.add((msg_id, int(number)))

    def _open(self) -> None:
        self.opened += 1
        self.kept = {}

    def _settled(self) -> None:
        """Told before devices push again: what is missing now was lost, even if it comes once more."""
        if self.lost:
            self.wrong.append(f"answered and lost: {sorted(self.lost)}")

    def _kept(self, sequence: str, msg_id: str) -> None:
        self.kept[int(sequence)] = msg_id

    def _unreadable(self, sequence: str) -> None:
        """A dead letter; one at a number that no push ever got only names a gap."""
        for msg_id, first in self.answered.items():
            if first <= int(sequence) < first + events_of(msg_id):
                self.wrong.append(f"a dead letter is lost: {sequence}, {msg_id}")

    def _spoiled(self, msg_id: str) -> None:
        self.doubtful.append(f"{msg_id} is kept without its pictures")

    def _wrong(self, *words: str) -> None:
        self.wrong.append(" ".join(words))

    @property
    def kept_twice(self) -> list[str]:
        """Pushes that are in the log more than once."""
        return sorted(msg_id for msg_id, count in Counter(self.kept.values()).items() if count > 1)

    @property
    def lost(self) -> set[str]:
        """Pushes that were answered with success, not all of whose events were delivered (or refused by the output)."""
        return {
            msg_id
            for msg_id in self.answered
            for number in range(events_of(msg_id))
            if not self.delivered[msg_id, number] and (msg_id, number) not in self.dead
        }

    @property
    def foreign(self) -> set[str]:
        """What was delivered or is kept and was never sent."""
        return {*(msg_id for msg_id, _ in self.delivered), *self.kept.values()} - self.sent

    @property
    def duplicated(self) -> int:
        """How many deliveries were repetitions."""
        return sum(count - 1 for count in self.delivered.values() if count > 1)

    def faults(self, *, unreadable: bool = False) -> list[str]:
        """All that breaks a promise. `unreadable`: the disk could not be read for a while, which excuses some."""
        found = list(self.wrong)
        if self.lost:
            found.append(f"answered and lost in the end: {sorted(self.lost)}")
        if self.foreign:
            found.append(f"never sent: {sorted(self.foreign)}")
        if not unreadable:
            found += self.doubtful
            found += [f"kept twice: {msg_id}" for msg_id in self.kept_twice]
        return found
