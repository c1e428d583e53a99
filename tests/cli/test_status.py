"""The page of `boxbridge status`: how full the journal is, and who holds it."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.cli.status import _missed, _output, _room

JOURNAL: dict[str, Any] = {
    "segments": 52,
    "room": {"taken": 3_300_000_000, "limit": 4_000_000_000, "held": 0.82, "hours_left": 41.3},
    "held_by": {"output": "erp", "events": 71_204, "removed": 1_790_942_400_000},
}
MISSED = {"count": 71_204, "when": 1_790_942_400_000, "reason": "more than its backlog of 30d waited"}


def test_a_removed_output_that_holds_the_journal_is_named_with_what_to_do() -> None:
    assert list(_room(JOURNAL, "en")) == [
        ("journal", "82 % full, held by erp (removed 2026-10-02), 71,204 events: boxbridge outputs forget erp"),
        ("", "3.3 GB of 4.0 GB in 52 segments, 41 h of room at the last day's rate"),
    ]


def test_it_is_said_in_chinese_too() -> None:
    assert list(_room(JOURNAL, "zh")) == [
        ("journal", "已占用 82 %，占用者：erp（2026-10-02 移出配置），71,204 个事件：boxbridge outputs forget erp"),
        ("", "3.3 GB，上限 4.0 GB，52 段，按最近一天的写入速度还可用 41 小时"),
    ]


def test_one_that_is_there_is_only_named() -> None:
    held = {"held_by": {"output": "erp", "events": 3, "removed": 0}}
    assert next(_room(JOURNAL | held, "en")) == ("journal", "82 % full, held by erp, 3 events")


@pytest.mark.parametrize(
    ("lang", "told"),
    [("en", ", room for more than a year at the last day's rate"), ("zh", "，按最近一天的写入速度还可用一年以上")],
)
def test_years_of_room_are_not_told_in_hours(lang: str, told: str) -> None:
    lines = dict(_room(JOURNAL | {"room": JOURNAL["room"] | {"hours_left": 550_319.0}}, lang))
    assert lines[""].endswith(told)


def test_without_pushes_there_is_no_rate() -> None:
    lines = list(_room(JOURNAL | {"held_by": None, "room": JOURNAL["room"] | {"hours_left": None}}, "en"))
    assert lines == [("journal", "82 % full"), ("", "3.3 GB of 4.0 GB in 52 segments")]


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("en", "erp missed 71,204 events, the last on 2026-10-02: more than its backlog of 30d waited"),
        ("zh", "erp 错过 71,204 个事件，最近一次在 2026-10-02：等待的事件超过其 backlog（30d）"),
    ],
)
def test_what_was_missed_is_told_with_its_reason(lang: str, told: str) -> None:
    assert _missed("erp", MISSED, lang) == told


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("en", "erp (webhook)   off (enabled = false)   0 delivered, 7 waiting, 2 DEAD"),
        ("zh", "erp (webhook)   已关闭（enabled = false）   已投递 0，等待 7，死信 2"),
    ],
)
def test_of_an_output_that_is_off_it_is_told_what_waits(lang: str, told: str) -> None:
    stands = {"name": "erp", "type": "webhook", "state": "off", "reason": "", "since": None, "retry_in": None}
    assert _output(stands | {"delivered": 0, "waiting": 7, "dead": 2}, lang) == told
