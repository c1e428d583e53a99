"""`boxbridge plugins new` writes packages that pass every check and keep every promise as they are written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(sys.executable).parent


def run(folder: Path, *command: str, code: int = 0) -> str:
    """Run something that is installed here, in a folder; returns what it says."""
    program, *arguments = command
    ended = subprocess.run(
        [SCRIPTS / program, *arguments], cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mypy keeps what it thinks of boxbridge: the same for every plugin."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("gate-log",), "contract of GateLog: 16 kept ="),
        (("turnstile", "--normalizer"), "contract of Turnstile: 7 kept ="),
        (("a-name-of-thirty-letters-at-all",), ""),
        (("a-name-of-thirty-letters-at-all", "--normalizer"), ""),
    ],
    ids=["output", "normalizer", "output with a long name", "normalizer with a long name"],
)
def test_what_is_written_passes_all_checks_at_once(
    tmp_path: Path, judged: Path, arguments: tuple[str, ...], verdict: str
) -> None:
    """`verdict`: of its own tests; the same but for a name is not tried again."""
    said = run(tmp_path, "boxbridge", "plugins", "new", *arguments)
    folder = tmp_path / f"boxbridge-{arguments[0]}"
    assert f"boxbridge-{arguments[0]} is written" in said
    run(folder, "ruff", "check")
    run(folder, "ruff", "format", "--check")
    run(folder, "mypy", "--strict", "--cache-dir", str(judged), ".")
    if verdict:
        assert verdict in run(folder, "pytest", "-q", "-p", "no:cacheprovider")


def test_what_is_written_is_a_plugin(tmp_path: Path) -> None:
    run(tmp_path, "boxbridge", "plugins", "new", "gate-log")
    (tmp_path / "boxbridge.toml").write_text(
        'plugins_dir = "boxbridge-gate-log"\n'
        '[output.gate]\ntype = "gate-log"\nurl = "http://127.0.0.1:7/hooks/T0KEN"\nkey = "k"\n'
    )
    (tmp_path / "boxbridge-gate-log/test_boxbridge_gate_log.py").unlink()
    assert "output gate-log" in run(tmp_path, "boxbridge", "plugins")
    assert run(tmp_path, "boxbridge", "check", "--connect").endswith("gate (gate-log)  ok, http://127.0.0.1:7\n")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Gate", '"Gate" is no name for a plugin: up to 31 of a-z, 0-9 and -, as in "gate-log"'),
        ("../gate", '"../gate" is no name for a plugin: up to 31 of a-z, 0-9 and -, as in "gate-log"'),
        ("mqtt", 'there is a plugin that brings "mqtt" already: give it another name'),
    ],
)
def test_a_name_that_will_not_do_is_said(tmp_path: Path, name: str, sentence: str) -> None:
    assert run(tmp_path, "boxbridge", "plugins", "new", name, code=2).strip() == sentence
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "boxbridge-gate").mkdir()
    said = run(tmp_path, "boxbridge", "plugins", "new", "gate", "--lang", "zh", code=74)
    assert said.strip() == "boxbridge-gate 已存在：请移走，或为插件换一个名称"
