"""A disk that is really full: pushes are refused, what is there is delivered, and all goes on when space comes back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.journal.journal import Journal, JournalUnavailable
from tests.journal.journals import contents, contents_of, running, store, until

pytestmark = pytest.mark.anyio
BALLAST = 1_000_000
PICTURE = bytes(range(256)) * 400


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, a quarter of which is taken by a file that can be removed."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk, since that needs root, to mount a small one")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED: a full disk, since none can be mounted here: {mounted.stderr}")
    try:
        (folder / "ballast").write_bytes(bytes(BALLAST))
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def fill(journal: Journal) -> set[str]:
    """Push until the disk is full; returns what was answered with success."""
    answered: set[str] = set()
    for n in range(1000):
        try:
            await store(journal, f"m{n}", pictures=(PICTURE,))
        except JournalUnavailable:
            return answered
        answered.add(f"m{n}")
    raise AssertionError("the disk does not fill")


def fill_to_the_last_byte(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


async def test_a_full_disk_refuses_and_recovers(disk: Path) -> None:
    async with running(disk / "journal") as journal:
        answered = await fill(journal)
        assert 10 < len(answered) < 40
        assert set((await contents(journal)).values()) == answered
        cursor = journal.cursors["out"]
        cursor.take(5)
        for sequence in range(1, 5):
            cursor.settle(sequence, "delivered", 1)
        journal.moved()
        for _ in range(3):
            with pytest.raises(JournalUnavailable):
                await store(journal, "refused", pictures=(PICTURE,))
        (disk / "ballast").unlink()
        await until(lambda: journal.closed_because is None)
        assert not (await store(journal, "refused", pictures=(PICTURE,))).duplicate
        await until(lambda: not cursor.moved)
        assert set((await contents(journal)).values()) == {*answered, "refused"}
    async with running(disk / "journal") as journal:
        assert set((await contents(journal)).values()) == {*answered, "refused"}
        assert journal.cursors["out"].next == 5
        assert journal.cursors["out"].open_entries() == []


async def test_a_disk_that_is_full_at_the_start_delivers_what_it_has(disk: Path) -> None:
    async with running(disk / "journal") as journal:
        answered = await fill(journal)
    for path in (disk / "journal").glob("index.sqlite*"):
        path.unlink()
    fill_to_the_last_byte(disk)
    async with running(disk / "journal") as journal:
        assert journal.closed_because is not None
        assert set((await contents(journal)).values()) == answered
        with pytest.raises(JournalUnavailable, match=r"No space left on device|disk is full"):
            await store(journal, "refused")
        journal.cursors["out"].take(2)
        journal.cursors["out"].settle(1, "delivered", 1)
        journal.moved()
        (disk / "ballast").unlink()
        await until(lambda: journal.closed_because is None)
        await store(journal, "after")
        assert (await store(journal, "m0", pictures=(PICTURE,))).duplicate
    assert await contents_of(disk / "journal") == {*answered, "after"}


async def test_a_disk_that_stays_nearly_full_is_not_filled_by_our_tries(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for a segment's head but for no push: each try must give back what it took."""
    monkeypatch.setattr("bridge.journal.writer._REOPEN_SECONDS", (0.01,))
    async with running(disk / "journal") as journal:
        answered = await fill(journal)
        fill_to_the_last_byte(disk)
        with (disk / "ballast").open("r+b") as file:
            file.truncate((disk / "ballast").stat().st_size - 60_000)
        for n in range(20):
            await until(lambda: journal.closed_because is None)
            with pytest.raises(JournalUnavailable):
                await store(journal, f"too large {n}", pictures=(PICTURE,))
        await until(lambda: journal.closed_because is None)
        assert len(journal.log.segments) <= 3
        (disk / "ballast").unlink()
        await until(lambda: journal.closed_because is None)
        await store(journal, "after", pictures=(PICTURE,))
        assert set((await contents(journal)).values()) == {*answered, "after"}
