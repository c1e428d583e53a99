"""Looking into the index from outside: what it knows, and nothing where it can't be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.view import IndexView
from tests.journal.journals import running, store

pytestmark = pytest.mark.anyio


async def test_it_tells_what_the_index_knows(tmp_path: Path) -> None:
    async with running(tmp_path) as journal:
        await store(journal, "a")
        await store(journal, "b", events=2)
        ids = [row.id for name in ("a", "b") for row in await journal.find(name)]
    view = IndexView(tmp_path / "index.sqlite")
    assert view.through() == 4
    assert view.keys(1, 3) == {1: ("box", "a", b"1"), 2: ("box", "b", b"1")}
    assert view.keys(2, 3) == {2: ("box", "b", b"1")}
    assert view.event_ids(range(1, 4), 2) == ids[:2]


@pytest.mark.parametrize("content", [None, b"garbage" * 900], ids=["missing", "damaged"])
def test_one_that_can_not_be_asked_knows_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "index.sqlite"
    if content is not None:
        path.write_bytes(content)
    view = IndexView(path)
    assert view.through() is None
    assert view.keys(1, 10) == {}
    assert view.event_ids(range(1, 10), 5) == []
    assert str(view.trouble(b"u" * 16, thorough=True)).startswith("it can't be read")
