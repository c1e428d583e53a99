"""What README and docs show works as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from bridge.cli.main import COMMANDS, cli
from bridge.config.load import read
from bridge.plugins import Plugins

ROOT = Path(__file__).parent.parent
TOP = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md"]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md"))]
README, CHINESE = (page.read_text("utf-8") for page in PAGES[:2])


def snippets(language: str) -> list[Any]:
    """Each fenced block of the language, named by its page and line."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize("snippet", snippets("toml"))
def test_a_configuration_that_is_shown_loads(snippet: str, tmp_path: Path) -> None:
    given = dict.fromkeys(re.findall(r"\$\{(\w+)\}", snippet), "given")
    for name in re.findall(r'file = "([^"/][^"]*)"', snippet):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("given\n")
    file = tmp_path / "boxbridge.toml"
    file.write_text(snippet)
    plugins = Plugins().load()
    settings = read(file, given).settings(plugins.outputs)
    assert set(settings.output) == set(tomllib.loads(snippet).get("output", {}))


@pytest.mark.parametrize("snippet", snippets("python"))
def test_a_program_that_is_shown_compiles(snippet: str) -> None:
    compile(snippet, "snippet", "exec")


def test_the_plugin_of_the_readme_is_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "printer.py").write_text(re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0])
    plugins = Plugins().load(tmp_path)
    assert plugins.broken == []
    assert "printer" in plugins.outputs


def test_the_table_of_commands_names_all_commands_and_no_others() -> None:
    for page, head in ((README, "| command |"), (CHINESE, "| 命令 |")):
        table = page.partition(head)[2]
        assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_exists(page: Path) -> None:
    named = set(re.findall(r"(?:bin/|`)boxbridge (\w+)", page.read_text("utf-8")))
    assert named <= set(cli.list_commands(click.Context(cli)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    lost = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert lost == []


def shown(page: str) -> list[str]:
    """What a page shows to be typed or copied, without the comments, which are for people."""
    blocks = re.findall(r"^```(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [re.sub(r" +# .*", "", line) for block in blocks for line in block.splitlines()]


def test_the_chinese_readme_shows_the_same_commands_and_snippets_in_the_same_order() -> None:
    assert shown(CHINESE) == shown(README)


@pytest.mark.parametrize(
    "part", [r"^#+ (?=\S)", r"`[^`]+`", r"\]\(((?!README)[^)]+)\)"], ids=["headings", "names", "links"]
)
def test_the_chinese_readme_says_no_less_and_no_more(part: str) -> None:
    english, chinese = (re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL) for page in (README, CHINESE))
    assert sorted(re.findall(part, chinese, re.MULTILINE)) == sorted(re.findall(part, english, re.MULTILINE))


def test_the_readmes_lead_to_each_other_from_their_first_lines() -> None:
    assert "](README.zh-CN.md)" in README[:100]
    assert "](README.md)" in CHINESE[:100]


def test_the_two_lines_of_the_first_five_minutes_are_in_the_readme() -> None:
    setup = "python3 -m venv .venv && .venv/bin/pip install"
    lines = [line.partition(" #")[0].rstrip() for line in README.splitlines()]
    assert lines.count(f"{setup} '.[demo]' && .venv/bin/boxbridge demo") == 1
    assert lines.count(f"{setup} -e '.[dev]' && .venv/bin/pytest") == 1
