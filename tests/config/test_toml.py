"""What is written as TOML reads back as the same."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from bridge.config import toml
from bridge.options import Duration, Rate, Secret, Size


class Pair(Struct, rename={"from_": "from"}):
    from_: int = 1
    to: int | None = None


@given(st.recursive(st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(
    st.characters(exclude_categories=["Cs"])), lambda inner: st.lists(inner) | st.dictionaries(st.text(
        st.characters(exclude_categories=["Cs"])), inner)))  # fmt: skip
def test_any_value_reads_back(value: Any) -> None:
    assert tomli.loads(f"x = {toml.value(value)}")["x"] == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Duration("5m"), '"5m"'),
        (Size("16MB"), '"16MB"'),
        (Rate("100/m"), '"100/m"'),
        (Secret("hunter2"), '"<secret>"'),
        (Path("/a b"), '"/a b"'),
        (ZoneInfo("Asia/Shanghai"), '"Asia/Shanghai"'),
        (date(2026, 11, 23), "2026-11-23"),
        (Pair(), "{ from = 1 }"),
        ([Pair(to=2)], "[{ from = 1, to = 2 }]"),
        ({"a b": None, "c": "车"}, '{ c = "车" }'),
    ],
)
def test_options_are_written_as_they_stand_in_a_file(value: Any, written: str) -> None:
    assert toml.value(value) == written


def test_what_toml_can_not_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object can't be written as TOML"):
        toml.value(object())


def test_paths_read_as_people_write_them() -> None:
    assert toml.dotted(("output", "a b", "hosts", 0, "name")) == 'output."a b".hosts[0].name'
    assert toml.dotted(()) == ""


def test_a_table_reads_back() -> None:
    content = {"url": "mqtt://broker", "only": {"kind": ["fire*"]}, "n": 1}
    assert tomli.loads("\n".join(toml.table(("output", "gate 3"), content))) == {"output": {"gate 3": content}}
