"""What commands show of a device's or a far side's text is harmless to the terminal that shows it."""

from __future__ import annotations

import json

import pytest

from bridge.cli.screen import show, show_json

OWNING = "\x1b]0;owned\x07a\nforged\u202e\x9b2J"


def test_a_line_stays_one_line_and_moves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show(f"kind {OWNING}", "东门 ok")
    assert capsys.readouterr().out == "kind \\x1b]0;owned\\x07a\\nforged\\u202e\\x9b2J\n东门 ok\n"


def test_json_still_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"kind": OWNING, "name": "东门"})
    said = capsys.readouterr().out
    assert json.loads(said) == {"kind": OWNING, "name": "东门"}
    assert "东门" in said
    assert [character for character in said[:-1] if not character.isprintable()] == []
