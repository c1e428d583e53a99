"""The pages of the outputs: option tables that are the structs', and the same shape each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.option_tables import PAGES, table, tables, written

TABLES = tables()
HEADINGS = ["The smallest configuration", "Options", "What each failure does", "How it was tested"]
"""What every page has, in this order; between them is what only it has to say."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_the_options_that_the_struct_has(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == written(text, TABLES), "python -m tests.option_tables writes it"


def test_every_struct_has_its_table_on_a_page() -> None:
    shown = [name for page in PAGES for name in re.findall(r"<!-- options: (.+?) -->", page.read_text("utf-8"))]
    assert sorted(shown) == sorted(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_option_says_what_it_is(name: str) -> None:
    for row in table(TABLES[name]).splitlines()[2:]:
        assert row.split(" | ")[3].removesuffix(" |"), row


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "README"], ids=lambda page: page.stem)
def test_the_pages_have_one_shape(page: Path) -> None:
    found = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS
