"""The sentences of stories: in every language the same facts, and the language that a person reads."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from bridge.cli.words import LANGUAGES, SENTENCES, language
from bridge.dispatch.door import LaneState
from bridge.journal.standing import State


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_the_same_facts_in_every_language(sentence: str) -> None:
    assert len(SENTENCES[sentence]) == len(LANGUAGES)
    english, *others = [sorted(re.findall(r"{(\w+)}", text)) for text in SENTENCES[sentence]]
    assert all(facts == english for facts in others)


def test_there_is_a_sentence_for_every_state_and_outcome() -> None:
    assert {f"state {state}" for state in get_args(State)} <= SENTENCES.keys()
    assert {f"lane {state}" for state in (*get_args(LaneState), "held", "off", "gone")} <= SENTENCES.keys()
    assert set(get_args(LaneState)) <= SENTENCES.keys()
    outcomes = {"delivered", "retry", "dead", "skipped", "expired", "dropped", "again", "replay"}
    assert outcomes | {"duplicate", "refused", "not stored"} <= SENTENCES.keys()


@pytest.mark.parametrize(
    ("asked", "environment", "told"),
    [
        ("zh", {"LANG": "en_US.UTF-8"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "de_DE"}, "zh"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_locales(
    asked: str | None, environment: dict[str, str], told: str
) -> None:
    assert language(asked, environment) == told
