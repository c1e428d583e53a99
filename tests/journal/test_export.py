"""Taking events out of a journal's files: what is wanted, whole; damage is named, and what fails leaves nothing."""

from __future__ import annotations

import errno
import tarfile
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import FileTrouble
from bridge.journal.export import Export, Put, Wanted, target
from bridge.journal.record import Kind
from bridge.journal.view import IndexView
from bridge.testing.sample import sample_event
from tests.journal.journals import TINY, damage, records, running, segment_files, store

pytestmark = pytest.mark.anyio
PUSHES = 12


def picture(n: int) -> bytes:
    return b"picture %d " % n * 300


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """A stopped journal of several segments; push N takes sequence N + 1 and has a picture of its own."""
    folder = tmp_path / "journal"
    async with running(folder, limits=TINY) as opened:
        for n in range(PUSHES):
            await store(opened, f"m{n}", pictures=(picture(n),))
    assert len(segment_files(folder)) > 3
    return folder


class Taken:
    """What an export put, by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.when: set[int] = set()

    def put(self, name: str, data: bytes, when: int) -> None:
        self.files[name] = data
        self.when.add(when)

    def count(self, suffix: str) -> int:
        return sum(name.endswith(suffix) for name in self.files)


def taken(folder: Path, *, originals: bool = False) -> tuple[Taken, list[str]]:
    """What is taken of a journal, and what is said of the rest."""
    files = Taken()
    return files, list(Export(folder, Wanted(originals=originals), UTC).run(files.put))


async def test_each_event_has_its_document_picture_and_request(journal: Path) -> None:
    files, said = taken(journal, originals=True)
    assert said == []
    assert [files.count(suffix) for suffix in (".json", ".picture0.jpg", ".original")] == [PUSHES] * 3
    assert {data for name, data in files.files.items() if "picture" in name} == {picture(n) for n in range(PUSHES)}
    assert all(b'"msg_id":"m' in data for name, data in files.files.items() if name.endswith(".original"))


async def test_it_says_how_far_it_is_and_how_much_it_took(journal: Path) -> None:
    export = Export(journal, Wanted(), UTC)
    done: list[int] = []
    list(export.run(Taken().put, done.append))
    assert PUSHES * len(picture(0)) < sum(done) < export.bytes
    assert export.bytes == sum(path.stat().st_size for path in segment_files(journal))
    assert (export.events, export.pictures) == (PUSHES, PUSHES)


async def test_only_what_is_wanted_is_taken(journal: Path) -> None:
    whole, _ = taken(journal)
    first, last = min(whole.when), max(whole.when)

    def count(wanted: Wanted) -> int:
        files = Taken()
        assert list(Export(journal, wanted, UTC).run(files.put)) == []
        return files.count(".json")

    event = sample_event(small=True)
    device, another = frozenset((event.device.id, "gate-3")), frozenset(("another",))
    assert count(Wanted(devices=device, kind=event.kind)) == PUSHES
    assert count(Wanted(devices=device, kind="fire")) == count(Wanted(devices=another)) == 0
    assert count(Wanted(since=first, until=last + 1)) == PUSHES
    assert count(Wanted(since=last + 1)) == count(Wanted(until=first)) == 0


async def test_a_damaged_event_is_named_and_so_are_several_in_a_row(journal: Path) -> None:
    first, second, *_ = segment_files(journal)
    one, *_ = records(first, Kind.PUSH)
    damage(first, one.offset + 60)
    together = records(second, Kind.PUSH)
    assert len(together) > 1
    for found in together:
        damage(second, found.offset, bytes(40))
    files, said = taken(journal)
    begin, end = together[0].prefix.sequence, together[-1].prefix.sequence
    view = IndexView(journal / "index.sqlite")
    assert said == [
        f"{first.name}: {view.named(range(1, 2))} damaged or missing: passed over",
        f"{second.name}: {view.named(range(begin, end + 1))} damaged or missing: passed over",
    ]
    assert view.event_ids(range(1, 2))[0] in said[0]
    assert files.count(".json") == PUSHES - 1 - len(together)


async def test_damage_is_named_only_where_it_may_be_what_is_wanted(journal: Path) -> None:
    """Given a damaged event: while the index knows that it is another, nothing is said; without an index it is."""
    first, *_ = segment_files(journal)
    one, *_ = records(first, Kind.PUSH)
    damage(first, one.offset + 60)
    (known,) = IndexView(journal / "index.sqlite").facts(range(1, 2))

    def said(**wanted: Any) -> int:
        return len(list(Export(journal, Wanted(**wanted), UTC).run(Taken().put)))

    others = ({"kind": "fire"}, {"devices": frozenset(("another",))}, {"until": known.received})
    assert [said(**other) for other in others] == [0, 0, 0]
    assert said(kind=known.kind, since=known.received) == 1
    (journal / "index.sqlite").unlink()
    assert [said(**other) for other in others] == [1, 1, 1]


async def test_what_a_daemon_lets_go_of_meanwhile_is_no_damage(journal: Path) -> None:
    export = Export(journal, Wanted(), UTC)
    gone, *_ = segment_files(journal)
    count = len(records(gone, Kind.PUSH))
    gone.unlink()
    files = Taken()
    assert list(export.run(files.put)) == []
    assert files.count(".json") == PUSHES - count


async def test_a_damaged_picture_costs_neither_document_nor_neighbours(journal: Path) -> None:
    first, *_ = segment_files(journal)
    found, *_ = records(first, Kind.PUSH)
    damage(first, found.offset + found.prefix.fixed_size)
    files, (lost, request) = taken(journal, originals=True)
    assert "is damaged on disk" in lost
    assert lost.endswith(": taken without it")
    assert request.endswith(": its request can't be made whole: taken without it")
    assert [files.count(suffix) for suffix in (".json", ".jpg", ".original")] == [PUSHES, PUSHES - 1, PUSHES - 1]


async def test_a_document_that_can_not_be_understood_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a sound record whose document is of no version that we know."""
    monkeypatch.setattr("bridge.journal.blob.encode_document", lambda _: b'{"specversion": 2}')
    async with running(tmp_path) as journal:
        await store(journal, "m", pictures=(picture(0),))
    files, (said,) = taken(tmp_path, originals=True)
    assert "its document can't be understood" in said
    assert list(files.files.values()) == [b'{"specversion": 2}']


# --- Where to


def fill(put: Put) -> None:
    put("2026-11-24/a.json", b"a", 1_800_000_000_000)
    put("2026-11-24/b.json", b"bb", 1_800_000_000_000)
    put("2026-11-25/c.json", b"ccc", 1_800_000_060_000)


FILES = {"2026-11-24/a.json": b"a", "2026-11-24/b.json": b"bb", "2026-11-25/c.json": b"ccc"}
BOTH = pytest.mark.parametrize("name", ["out", "out.tar"])


def test_a_folder_has_a_folder_a_day(tmp_path: Path) -> None:
    with target(tmp_path / "out") as put:
        fill(put)
        assert not (tmp_path / "out").exists(), "it has its name only once all is in it"
    found = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").glob("*/*")}
    assert found == FILES


def test_an_archive_has_the_same_and_when_it_came(tmp_path: Path) -> None:
    with target(tmp_path / "out.tar") as put:
        fill(put)
    with tarfile.open(tmp_path / "out.tar") as tar:
        members = list(tar)
        found = {member.name: file.read() for member in members if (file := tar.extractfile(member)) is not None}
    assert found == FILES
    assert [member.mtime for member in members] == [1_800_000_000, 1_800_000_000, 1_800_000_060]


def fail(_: Put) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt(put: Put) -> None:
    fill(put)
    raise KeyboardInterrupt


@BOTH
@pytest.mark.parametrize("work", [fail, interrupt])
def test_what_fails_leaves_nothing(tmp_path: Path, name: str, work: Callable[[Put], None]) -> None:
    with pytest.raises((OSError, KeyboardInterrupt)), target(tmp_path / name) as put:
        work(put)
    assert list(tmp_path.iterdir()) == []


@BOTH
@pytest.mark.parametrize("there", ["", ".part"])
def test_what_is_there_already_is_left_alone(tmp_path: Path, name: str, there: str) -> None:
    path = tmp_path / (name + there)
    path.write_text("kept")
    with pytest.raises(FileTrouble, match=f"{path.name} is there already"), target(tmp_path / name):
        pass
    assert path.read_text() == "kept"


@pytest.mark.parametrize("name", ["out.tar.gz", "OUT.ZIP"])
def test_another_kind_of_archive_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileTrouble, match=r"of archives only \.tar is written"), target(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []
