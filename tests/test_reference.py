"""docs/reference says what stands in the code, of everything that is there and of nothing that is gone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import bridge
import bridge.testing
from bridge.cli.main import cli
from bridge.testing import contract, normalizer_contract
from tests.reference import FACE, FOLDER, HOOKS, KIT, constant, doc, fields, methods, pages

ROOT = Path(__file__).parent.parent
READ = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""What people read."""
NOT_METRICS = {"boxbridge_plates", "boxbridge_event"}
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
    it = inspect.unwrap(getattr(bridge, name))
    assert (doc(it) if inspect.isclass(it) or inspect.isfunction(it) else constant(name)).endswith(".")
    if inspect.isclass(it) and it.__module__.startswith("bridge."):
        for one in (one for one in it.__mro__ if one.__module__.startswith("bridge.")):
            assert [field for field, _, meaning in fields(one) if not meaning] == []
            assert [method for method, function in methods(one).items() if not doc(function)] == []


def test_all_of_the_kit_is_described() -> None:
    assert sorted(KIT["bridge.testing"]) == sorted(bridge.testing.__all__)
    assert {*contract.__all__, *normalizer_contract.__all__} <= {name for names in KIT.values() for name in names}


@pytest.mark.parametrize("name", ["settings", "commands", "metrics"])
def test_every_key_option_and_metric_says_what_it_is(name: str) -> None:
    rows = [line for line in PAGES[name].splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    assert [row for row in rows if row.rstrip("| ").endswith("`") or row.endswith("|  |")] == []


def test_no_key_is_left_out_and_none_is_described_by_a_class_of_python() -> None:
    protocol = PAGES["settings"].partition("## [protocol.NAME]\n")[2]
    assert "| `device` | text |" in protocol
    assert "<class" not in PAGES["settings"]


def test_every_command_says_what_it_does() -> None:
    parts = PAGES["commands"].split("\n## ")[1:]
    assert [part.splitlines()[0] for part in parts if not re.search(r"^[A-Z].*\.$", part, re.MULTILINE)] == []


TEXTS = {page: page.read_text("utf-8") for page in READ}


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_metric_that_is_gone(page: Path) -> None:
    there = set(re.findall(r"`(boxbridge_\w+)`", PAGES["metrics"]))
    named = set(re.findall(r"\bboxbridge_\w+", TEXTS[page])) - NOT_METRICS
    assert named <= there


def shown_commands(text: str) -> Iterator[tuple[list[str], set[str]]]:
    """Each line that runs boxbridge: its words, and its options."""
    for line in re.findall(r"(?:^|[`/ ])boxbridge ((?:[a-z]+ ?)+[^`|\n]*)", text, re.MULTILINE):
        told = line.partition(" #")[0]
        yield told.split(), set(re.findall(r"(?<!\S)--[a-z-]+", told))


def meant(words: list[str]) -> click.Command | None:
    """The command that a line runs, if there is one of its name."""
    command = cli.get_command(click.Context(cli), words[0])
    for word in words[1:]:
        if not isinstance(command, click.Group) or word not in command.commands:
            break
        command = command.commands[word]
    return command


def test_a_line_is_known_by_its_command() -> None:
    (words, options), *_ = shown_commands("`boxbridge dead retry --all`")
    command = meant(words)
    assert (command and command.name, options) == ("retry", {"--all"})


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_shows_a_commands_option_that_is_gone(page: Path) -> None:
    for words, options in shown_commands(TEXTS[page]):
        command = meant(words) if options else None
        known = {opt for it in command.params for opt in it.opts} if command else options
        assert options <= known | {"--help"}, words


def test_no_key_is_required_that_the_machine_gives_a_value() -> None:
    """Given a configuration without any key: it is right, so no key at the top of the file is called required."""
    top = PAGES["settings"].partition("## At the top of the file")[2].partition("## [server]")[0]
    assert "| `timezone` | time zone |  |" in top
    assert "required" not in top
