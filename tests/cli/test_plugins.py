"""`boxbridge plugins` with installed plugins, drop-in files and broken ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BOXBRIDGE = Path(sys.executable).with_name("boxbridge")

PRINTER = """
from bridge import Output, hookimpl

class Printer(Output):
    type = "printer"
    def deliver(self, delivery):
        print(delivery.event.id)

@hookimpl
def register_outputs():
    return [Printer]

@hookimpl
def event_accepted(event):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration whose drop-in plugins are `printer`, which works, and `broken`, which does not."""
    (tmp_path / "boxbridge.toml").write_text('plugins_dir = "drop-in"\n')
    (tmp_path / "drop-in").mkdir()
    (tmp_path / "drop-in/printer.py").write_text(PRINTER)
    (tmp_path / "drop-in/broken.py").write_text("import bridge\n\nbridge.nonsense\n")
    return tmp_path


def plugins(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [BOXBRIDGE, "plugins", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_plugin_is_a_line_with_its_version_origin_and_what_it_brings(folder: Path) -> None:
    lines = plugins(folder).splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "ORIGIN", "BRINGS"]
    rows = {line.split()[0]: line.split(maxsplit=3)[1:] for line in lines[1:]}
    assert rows["printer"] == ["-", str(folder / "drop-in/printer.py"), "output printer"]
    assert rows["archive"] == ["0.1.0", "boxbridge", "output archive"]


def test_hooks_are_shown_on_request(folder: Path) -> None:
    line = next(line for line in plugins(folder, "--hooks").splitlines() if line.startswith("printer"))
    assert line.endswith("output printer, hook event_accepted, hook register_outputs")


def test_a_broken_plugin_is_a_sentence_with_its_file_and_line(folder: Path) -> None:
    broken = [line for line in plugins(folder).splitlines() if line.startswith("broken: ")]
    assert len(broken) == 1
    assert f"{folder}/drop-in/broken.py" in broken[0]
    assert "line 3" in broken[0]


def test_all_of_it_is_said_in_chinese(folder: Path) -> None:
    lines = plugins(folder, "--lang", "zh").splitlines()
    assert lines[0].split() == ["名称", "版本", "来源", "提供"]
    assert any(line.startswith("printer") and line.endswith("输出 printer") for line in lines)
    place = f"插件 broken（{folder}/drop-in/broken.py）：第 3 行"
    assert lines[-1] == f"无法加载：{place}：AttributeError: module 'bridge' has no attribute 'nonsense'"


def test_a_configuration_that_needs_the_broken_plugin_does_not_hide_why(folder: Path) -> None:
    with (folder / "boxbridge.toml").open("a") as file:
        file.write('[output.screen]\ntype = "broken"\n')
    assert "broken: plugin broken" in plugins(folder)


def test_json_has_the_same(folder: Path) -> None:
    document = json.loads(plugins(folder, "--json"))
    printer = next(plugin for plugin in document["plugins"] if plugin["name"] == "printer")
    assert printer == {
        "name": "printer",
        "origin": str(folder / "drop-in/printer.py"),
        "version": "",
        "hooks": ["event_accepted", "register_outputs"],
        "outputs": ["printer"],
        "normalizers": [],
    }
    assert [broken["name"] for broken in document["broken"]] == ["broken"]


def test_without_a_configuration_the_installed_ones_are_listed(tmp_path: Path) -> None:
    assert "output mqtt" in plugins(tmp_path)


def test_a_configuration_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [BOXBRIDGE, "plugins", "--config", "none.toml"], cwd=tmp_path, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 78
    assert b"none.toml" in done.stderr
