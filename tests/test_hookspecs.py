"""Every hook is described in docs/plugins.md with its arguments, and has a test."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from bridge import hookspecs

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "plugins.md").read_text()
HEADINGS = dict(re.findall(r"^### (\w+)\((.*)\)$", PAGE, re.MULTILINE))
TEXTS = [file.read_text() for file in TESTS.rglob("*.py")]


@pytest.mark.parametrize("hook", hookspecs.SPECIFICATIONS, ids=lambda hook: hook.__name__)
def test_a_hook_has_a_heading_with_its_arguments(hook: Any) -> None:
    described = [name for name in HEADINGS[hook.__name__].split(", ") if name]
    assert described == [*inspect.signature(hook).parameters]


@pytest.mark.parametrize("hook", hookspecs.SPECIFICATIONS, ids=lambda hook: hook.__name__)
def test_a_hook_says_what_it_is_for(hook: Any) -> None:
    assert hook.__doc__.strip().endswith(".")


@pytest.mark.parametrize("hook", hookspecs.SPECIFICATIONS, ids=lambda hook: hook.__name__)
def test_a_hook_is_implemented_in_a_test(hook: Any) -> None:
    implementation = re.compile(rf"@hookimpl[^\n]*\n\s*def {hook.__name__}\(")
    assert any(implementation.search(text) for text in TEXTS)


def test_no_hook_is_left_out_and_none_is_described_that_is_not_there() -> None:
    marked = {name for name, value in vars(hookspecs).items() if hasattr(value, "boxbridge_spec")}
    named = {hook.__name__ for hook in hookspecs.SPECIFICATIONS}
    assert marked == named == set(HEADINGS)
