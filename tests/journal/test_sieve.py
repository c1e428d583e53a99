"""The sieve: what is known is never taken for new, and what is new seldom for known."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bridge.journal import known, sieve
from bridge.journal.index import Index
from bridge.journal.journal import Journal, JournalUnavailable
from bridge.journal.record import Key
from bridge.journal.sieve import Sieve
from tests.journal.journals import running, store, store_all, until


def test_nothing_is_new_until_it_was_told_of_all() -> None:
    made = Sieve()
    made.add("a")
    assert not made.is_new("b")
    made.end()
    assert made.is_new("b")
    assert not made.is_new("a")


def test_what_is_known_is_never_new_and_what_is_new_seldom_known() -> None:
    made = Sieve()
    for n in range(50_000):
        made.add(f"m{n}")
    made.end()
    assert not any(made.is_new(f"m{n}") for n in range(50_000))
    assert sum(not made.is_new(f"new{n}") for n in range(50_000)) < 50


def of(journal: Journal) -> Sieve:
    return journal._writer.known._sieve


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The message ids that the index was asked of."""
    ids: list[str] = []
    find = Index.find

    def noting(index: Index, keys: Iterable[Key]) -> dict[Key, list[int]]:
        keys = list(keys)
        ids.extend(msg_id for _, msg_id, _ in keys)
        return find(index, keys)

    monkeypatch.setattr(Index, "find", noting)
    return ids


@pytest.mark.anyio
@pytest.mark.parametrize("gone", [False, True], ids=["known", "read from the log again"])
async def test_the_index_is_asked_of_all_until_the_sieve_knows_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], gone: bool
) -> None:
    monkeypatch.setattr(known, "_SIFTED_AT_ONCE", 3)
    monkeypatch.setattr(known, "_SIFT_SECONDS", 0.1)
    before = ["", *(f"m{n}" for n in range(10))]
    async with running(tmp_path) as journal:
        await store_all(journal, before)
    if gone:
        (tmp_path / "index.sqlite").unlink()
    asked.clear()
    async with running(tmp_path) as journal:
        assert not of(journal).is_whole
        assert [(await store(journal, name)).duplicate for name in ("m9", "new")] == [True, False]
        assert asked == ["m9", "new"]
        await until(lambda: of(journal).is_whole)
        asked.clear()
        assert [(await store(journal, name)).duplicate for name in ("new", "newer")] == [True, False]
        assert asked == []
        assert all([(await store(journal, name)).duplicate for name in before])
        assert asked == before


@pytest.mark.anyio
async def test_one_that_is_worn_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setattr(sieve, "_WORN", 5)
    async with running(tmp_path) as journal:
        await until(lambda: of(journal).is_whole)
        first = of(journal)
        await store_all(journal, [f"m{n}" for n in range(6)])
        await journal.write_all()
        assert of(journal) is not first
        await until(lambda: of(journal).is_whole)
        assert all([(await store(journal, f"m{n}")).duplicate for n in range(6)])
        assert not (await store(journal, "new")).duplicate


@pytest.mark.anyio
async def test_what_can_not_be_read_of_the_index_is_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_LAZY_SECONDS", 0.05)
    async with running(tmp_path) as journal:
        await store(journal, "m1")
    read, faults = Index.msg_ids, iter([sqlite3.OperationalError("disk I/O error")])

    def failing_once(index: Index, first: str, most: int) -> list[str]:
        for fault in faults:
            fault.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise fault
        return read(index, first, most)

    monkeypatch.setattr(Index, "msg_ids", failing_once)
    async with running(tmp_path) as journal:
        assert not (await store(journal, "new")).duplicate
        assert not of(journal).is_whole
        await until(lambda: of(journal).is_whole)
        assert [(await store(journal, name)).duplicate for name in ("m1", "new", "newer")] == [True, True, False]


@pytest.mark.anyio
async def test_what_only_the_log_knew_is_known_once_the_index_was_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a fault of our own between the write and what follows it."""
    async with running(tmp_path) as journal:
        await until(lambda: of(journal).is_whole)
        with monkeypatch.context() as faulty:
            faulty.setattr("bridge.journal.failpoint.armed", failing_at("group in the log"))
            with pytest.raises(JournalUnavailable):
                await store(journal, "m1")
        await until(lambda: journal.closed_because is None)

        def read_again() -> None:
            journal._writer.known._index.set_aside()
            journal._writer.known.write_index()

        await journal._in_writer(read_again)
        assert of(journal).is_whole
        assert (await store(journal, "m1")).duplicate


def failing_at(point: str) -> Callable[[str], None]:
    def reached(name: str) -> None:
        if name == point:
            raise RuntimeError("a fault of ours")

    return reached
