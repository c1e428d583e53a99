"""The index: it answers, and whatever is wrong with its file is told apart from a disk that is in trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.journal.index import Foreign, Index, Rows, is_damage
from bridge.journal.questions import ask, find_events, output_notes
from bridge.journal.record import ChangesBlob, EventEntry, OutputNote, PushBlob

UUID = b"u" * 16


def blob(msg_id: str, *events: str, device: str = "box", digest: bytes = b"1") -> PushBlob:
    entries = tuple(EventEntry(id_, "kind", device, "1", 5, b"{}") for id_ in events)
    return PushBlob(7, device, msg_id, digest, "m", "", "POST", "/", "", "", entries, b"", (), ())


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "index?#%.sqlite", UUID)  # a path that a careless URI would break
    index.open()
    yield index
    index.close()


def add(index: Index, *blobs: PushBlob) -> None:
    rows = Rows()
    sequence = index.through
    for one in blobs:
        rows.add(sequence, one)
        sequence += one.count
    index.add(rows, sequence)


def test_pushes_are_found_by_their_whole_key(index: Index) -> None:
    add(index, blob("m", "E1"), blob("m", "E2", digest=b"2"), blob("m", "E3", device="other"), blob("m", "E4"))
    assert index.find([("box", "m", b"1"), ("box", "m", b"2"), ("box", "n", b"1")]) == {
        ("box", "m", b"1"): [1, 4],
        ("box", "m", b"2"): [2],
        ("box", "n", b"1"): [],
    }


def test_it_says_how_far_it_goes_when_opened_again(index: Index) -> None:
    add(index, blob("m", "E1", "E2"), blob("n"))
    index.close()
    index.open()
    assert index.through == 4


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("m1", ["01AAAAAA", "01AAAABB"]),
        ("01AAAABB", ["01AAAABB"]),
        ("01aaaab", ["01AAAABB"]),
        ("01AAAA", ["01AAAAAA", "01AAAABB"]),
        ("01AAA", []),
        ("m3", []),
        ("%", []),
    ],
)
def test_events_are_found_by_id_its_beginning_and_msg_id(index: Index, what: str, found: list[str]) -> None:
    add(index, blob("m0"), blob("m1", "01AAAAAA", "01AAAABB"), blob("m2", "01BBBBBB"))
    assert [row.id for row in ask(index.path, lambda asked: find_events(asked, what))] == found


def test_what_retention_took_is_forgotten(index: Index) -> None:
    add(index, blob("m", "E1"), blob("n", "E2"))
    index.forget(below=2)
    assert index.find([("box", "m", b"1"), ("box", "n", b"1")]) == {("box", "m", b"1"): [], ("box", "n", b"1"): [2]}
    assert ask(index.path, lambda asked: find_events(asked, "m")) == []


def test_how_an_output_stood_when_the_oldest_event_came_is_not_forgotten(index: Index) -> None:
    add(index, blob("m", "E1"), blob("n", "E2"))
    rows = Rows()
    notes = [OutputNote(1, when, state) for when, state in ((1, "open"), (4, "waiting"), (9, "open"))]
    rows.add_history(ChangesBlob((), (), (*notes, OutputNote(2, 2, "paused"))))
    index.add(rows, 3)
    index.forget(below=2)
    assert [note.when for note in ask(index.path, lambda asked: output_notes(asked, 1, 7, 99))] == [4, 9]
    assert [note.when for note in ask(index.path, lambda asked: output_notes(asked, 2, 7, 99))] == [2]
    with closing(sqlite3.connect(index.path)) as asked:
        assert asked.execute("SELECT count(*) FROM output_note").fetchone() == (3,)


def test_a_transaction_that_fails_leaves_nothing(index: Index) -> None:
    rows = Rows()
    rows.add(1, blob("m", "E1"))
    rows.events.append((2, None, "", "", "", 0, 0))  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        index.add(rows, 3)
    assert index.find([("box", "m", b"1")]) == {("box", "m", b"1"): []}
    add(index, blob("n", "E2"))
    assert index.through == 2


def test_the_write_ahead_log_is_brought_in_once_it_is_large(index: Index) -> None:
    wal = index.path.with_name(index.path.name + "-wal")
    for n in range(40):
        add(index, *(blob(f"m{n}-{k}", f"E{n}-{k}" + "x" * 800) for k in range(100)))
    assert wal.stat().st_size > 4_000_000
    index.checkpoint_when_large()
    assert wal.stat().st_size == 0


@pytest.mark.parametrize(
    "content", [b"", b"garbage " * 1000, b"SQLite format 3\0" + b"x" * 5000], ids=["empty", "garbage", "half"]
)
def test_a_file_that_is_no_index_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(content)
    with pytest.raises((Foreign, sqlite3.Error)) as caught:
        Index(path, UUID).open()
    assert is_damage(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE meta SET value = x'00' WHERE name = 'uuid'",
        "UPDATE meta SET value = 99 WHERE name = 'version'",
        "UPDATE meta SET value = 'far' WHERE name = 'through'",
        "DELETE FROM meta",
        "DROP TABLE meta",
    ],
)
def test_an_index_of_another_journal_or_version_is_damage(index: Index, spoil: str) -> None:
    index.close()
    with closing(sqlite3.connect(index.path)) as connection:
        connection.execute(spoil)
        connection.commit()
    with pytest.raises((Foreign, sqlite3.Error)) as caught:
        index.open()
    assert is_damage(caught.value)
    assert not index.is_open


def test_a_lost_table_is_damage(index: Index) -> None:
    index.close()
    with closing(sqlite3.connect(index.path)) as connection:
        connection.execute("DROP TABLE push")
    index.open()
    with pytest.raises(sqlite3.Error) as caught:
        add(index, blob("m", "E1"))
    assert is_damage(caught.value)


def test_a_lock_or_a_missing_folder_is_no_damage(index: Index, tmp_path: Path) -> None:
    with closing(sqlite3.connect(index.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        index._opened().execute("PRAGMA busy_timeout = 1")
        with pytest.raises(sqlite3.Error) as locked:
            add(index, blob("m", "E1"))
    assert not is_damage(locked.value)
    with pytest.raises(sqlite3.Error) as missing:
        Index(tmp_path / "nowhere" / "index.sqlite", UUID).open()
    assert not is_damage(missing.value)


def test_set_aside_leaves_no_file(index: Index) -> None:
    add(index, blob("m", "E1"))
    index.set_aside()
    assert list(index.path.parent.iterdir()) == []
    index.open()
    assert index.through == 1


def test_one_that_is_not_open_says_so(index: Index) -> None:
    index.close()
    with pytest.raises(Foreign, match="it is not open"):
        add(index, blob("m", "E1"))


def test_a_write_ahead_log_that_a_reader_keeps_from_ending_is_a_reason_to_begin_anew(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.index._CHECKPOINT_BYTES", 1)
    monkeypatch.setattr("bridge.journal.index._TOO_LARGE_BYTES", 1)
    add(index, blob("m", "E1"))
    index.checkpoint_when_large()
    index._opened().execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(index.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM push").fetchall()
        add(index, blob("n", "E2"))
        with pytest.raises(Foreign, match="grows and grows"):
            index.checkpoint_when_large()
