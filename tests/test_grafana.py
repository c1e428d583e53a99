"""The dashboard asks for what the daemon has, and shows all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric

from bridge.control.metrics import families
from tests.daemon import bridge_with

pytestmark = pytest.mark.anyio

DASHBOARD = json.loads((Path(__file__).parent.parent / "docs" / "grafana.json").read_text("utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ADDED = {"job", "le"}
"""Labels that Prometheus brings, and those of buckets."""


def series(family: Metric) -> set[str]:
    """The names under which a family's samples come."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
    return {family.name + suffix for suffix in suffixes.get(family.type, [""])}


async def test_the_dashboard_asks_for_what_is_there_and_leaves_nothing_out(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        found: list[Any] = list(families(running.daemon, {}, {}, {}))
    asked = {name for text in EXPRESSIONS for name in re.findall(r"boxbridge_\w+", text)}
    assert asked <= {name for family in found for name in series(family)}
    assert [family.name for family in found if not asked & series(family)] == []


async def test_it_groups_by_labels_that_the_metric_has(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        found: list[Any] = list(families(running.daemon, {}, {}, {}))
    labels = {name: {*family._labelnames, "version"} | ADDED for family in found for name in series(family)}
    for text in EXPRESSIONS:
        (metric,) = re.findall(r"boxbridge_\w+", text)
        grouped = [label.strip() for group in re.findall(r"by \(([^)]*)\)", text) for label in group.split(",")]
        assert set(grouped) <= labels[metric], text


def test_panels_do_not_lie_on_each_other_and_have_numbers_of_their_own() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for it in places for x in range(it["x"], it["x"] + it["w"]) for y in range(it["y"], it["y"] + it["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
