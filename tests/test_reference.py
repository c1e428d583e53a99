"""docs/reference says what stands in the code, of everything that is there and of nothing that is gone."""

from __future__ import annotations

import inspect
import re

import pytest

import bridge
from tests.reference import FACE, FOLDER, HOOKS, constant, doc, fields, methods, pages

PAGES = pages()
NAMES = [name for names in (*(names for _, names in FACE.values()), HOOKS) for name in names if hasattr(bridge, name)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_says(name: str) -> None:
    assert (FOLDER / f"{name}.md").read_text("utf-8") == PAGES[name], "python -m tests.reference writes it"


def test_there_are_no_other_pages_and_the_index_leads_to_all() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} == {*PAGES, "README"}
    assert set(re.findall(r"\]\((\w+)\.md\)", (FOLDER / "README.md").read_text("utf-8"))) == set(PAGES)


def test_all_that_a_plugin_may_import_is_described() -> None:
    assert sorted(NAMES) == sorted(bridge.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_everything_says_what_it_is(name: str) -> None:
    it = getattr(bridge, name)
    assert (doc(it) if inspect.isclass(it) or inspect.isfunction(it) else constant(name)).endswith(".")
    if inspect.isclass(it) and it.__module__.startswith("bridge."):
        for one in (one for one in it.__mro__ if one.__module__.startswith("bridge.")):
            assert [field for field, _, meaning in fields(one) if not meaning] == []
            assert [method for method, function in methods(one).items() if not doc(function)] == []


@pytest.mark.parametrize("name", ["settings", "commands", "metrics"])
def test_every_key_option_and_metric_says_what_it_is(name: str) -> None:
    rows = [line for line in PAGES[name].splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    assert [row for row in rows if row.rstrip("| ").endswith("`") or row.endswith("|  |")] == []


def test_every_command_says_what_it_does() -> None:
    parts = PAGES["commands"].split("\n## ")[1:]
    assert [part.splitlines()[0] for part in parts if not re.search(r"^[A-Z].*\.$", part, re.MULTILINE)] == []
