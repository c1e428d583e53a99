"""An editor that knows JSON Schema completes a configuration and shows its faults where `check` finds them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.cli.main import cli
from bridge.config.load import read
from bridge.errors import ConfigError
from bridge.plugins import Plugins

TOMBI = Path(sys.executable).with_name("tombi")
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
WRONG = """\
#:schema ./boxbridge.schema.json
plugins_dir = "plugins"

[output.broker]
type = "mqtt"
url = "mqtt://127.0.0.1"
protcol = "5"

[output.stream]
type = "nats"
url = "nats://127.0.0.1:4222"
stream = 5

[journal]
keep = "7 weeks"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration of all types, a drop-in's too, as `init` writes it, with its schema."""
    if not TOMBI.exists():
        pytest.skip("tombi is not installed (pip install tombi)")
    (tmp_path / "plugins").mkdir()
    shutil.copy(EXAMPLES / "nats_output.py", tmp_path / "plugins")
    file = tmp_path / "boxbridge.toml"
    file.write_text('plugins_dir = "plugins"\n')
    types = ["mqtt", "archive", "webhook", "nats"]
    made = CliRunner().invoke(cli, ["init", *types, "--force", "-c", str(file), "-o", str(file)])
    assert made.exit_code == 0, made.output
    return tmp_path


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    line = [str(TOMBI), "lint", "--offline", file.name]
    return subprocess.run(line, cwd=file.parent, capture_output=True, text=True, timeout=60, check=False)


def test_what_init_writes_is_right_for_an_editor_too(folder: Path) -> None:
    linted = lint(folder / "boxbridge.toml")
    assert linted.returncode == 0, linted.stderr


def test_an_editor_shows_the_faults_at_the_places_that_check_names(folder: Path) -> None:
    file = folder / "wrong.toml"
    file.write_text(WRONG)
    linted = lint(file)
    assert linted.returncode == 1
    plain = re.sub(r"\x1b\[[\d;]*m", "", linted.stdout + linted.stderr)
    shown = re.findall(r"at wrong\.toml:(\d+:\d+)", plain)
    with pytest.raises(ConfigError) as refused:
        read(file).settings(Plugins().load(folder / "plugins").outputs)
    assert shown == [problem.where.removeprefix(f"{file}:") for problem in refused.value.problems]
    assert len(shown) == 3


@contextmanager
def editor(folder: Path) -> Iterator[Editor]:
    """An editor's conversation with the language server."""
    line = [str(TOMBI), "lsp", "--offline"]
    with subprocess.Popen(
        line, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            yield Editor(server, folder)
        finally:
            server.kill()


class Editor:
    """Sends and reads JSON-RPC."""

    def __init__(self, server: subprocess.Popen[bytes], folder: Path) -> None:
        self._server = server
        self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities={})
        self._send("initialized", {})

    def open(self, file: Path, text: str) -> None:
        """As if a person had typed it."""
        document = {"uri": file.as_uri(), "languageId": "toml", "version": 1, "text": text}
        self._send("textDocument/didOpen", {"textDocument": document})

    def completions(self, file: Path, line: int, column: int) -> list[str]:
        """What it offers at a place, counted from 0."""
        position = {"line": line, "character": column}
        found = self.ask("textDocument/completion", textDocument={"uri": file.as_uri()}, position=position)
        return [item["label"] for item in (found["items"] if isinstance(found, dict) else found or [])]

    def ask(self, method: str, **parameters: Any) -> Any:
        """Ask, and read until the answer comes."""
        self._send(method, parameters, id=1)
        while True:
            message = self._read()
            if message.get("id") == 1 and "method" not in message:
                return message.get("result")
            if "id" in message:  # a question of the server's own
                self._write({"jsonrpc": "2.0", "id": message["id"], "result": None})

    def _send(self, method: str, parameters: Any, **more: Any) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": parameters, **more})

    def _write(self, message: Any) -> None:
        assert self._server.stdin is not None
        body = json.dumps(message).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._server.stdin.flush()

    def _read(self) -> Any:
        assert self._server.stdout is not None
        length = 0
        while (line := self._server.stdout.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return json.loads(self._server.stdout.read(length))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ('#:schema ./boxbridge.schema.json\n[output.broker]\ntype = "mqtt"\npro', "protocol"),
        ('#:schema ./boxbridge.schema.json\n[output.stream]\ntype = "nats"\npre', "prefix"),
        ('#:schema ./boxbridge.schema.json\n[output.stream]\ntype = "nats"\nonl', "only"),
        ('#:schema ./boxbridge.schema.json\n[journal]\nkeep = "7d"\nwhe', "when_full"),
    ],
)
def test_an_editor_offers_the_keys_of_each_type_a_drop_ins_too(folder: Path, text: str, offered: str) -> None:
    file = folder / "typed.toml"
    file.write_text(text)
    with editor(folder) as typing:
        typing.open(file, text)
        deadline = time.monotonic() + 20
        while offered not in (found := typing.completions(file, text.count("\n"), len(text.rpartition("\n")[2]))):
            assert time.monotonic() < deadline, found  # it reads file and schema in its own time
            time.sleep(0.02)
