"""A story as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.words.telling import Teller

STORY: dict[str, Any] = {
    "timezone": "Asia/Shanghai",
    "occurred": "2026-11-29T08:00:00Z",
    "received": "2026-11-29T08:00:01Z",
    "lost": "",
    "peer": "192.168.1.9",
    "method": "POST",
    "path": "/gatebox",
    "msg_id": "",
    "segment": "00000001.seg",
    "pictures": [],
    "repetitions": [],
}


@pytest.mark.parametrize(
    ("msg_id", "told"),
    [
        ("", "received from 192.168.1.9 (POST /gatebox)"),
        ("a1", "received from 192.168.1.9 (POST /gatebox), msg_id a1"),
    ],
)
def test_a_push_without_an_id_of_its_own_is_told_without_one(msg_id: str, told: str) -> None:
    assert told in [what for _, what in Teller(STORY | {"msg_id": msg_id}, "en").arrival()]


def test_of_very_many_steps_the_ones_between_are_counted_whatever_they_are() -> None:
    tries = [{"what": "retry", "attempt": n, "at": "2026-11-29T08:00:02Z", "reason": "HTTP 503"} for n in range(1, 15)]
    output = {"steps": tries, "where": "", "state": "skipped"}
    told = [[what for _, what in Teller(STORY, lang).steps(output)] for lang in ("en", "zh")]
    assert [(len(lines), lines[6]) for lines in told] == [(13, "… 2 more steps"), (13, "……另有 2 步")]


@pytest.mark.parametrize(("lang", "told"), [("en", "erp (webhook): DEAD"), ("zh", "erp (webhook)：死信")])
def test_how_it_stands_with_an_output_is_told_in_the_language_s_own_signs(lang: str, told: str) -> None:
    assert Teller(STORY, lang).standing({"name": "erp", "type": "webhook", "state": "dead"}) == told
