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
