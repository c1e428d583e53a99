"""Errors in words."""

from __future__ import annotations

import errno

import pytest

from bridge.errors import did_you_mean, why


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("a bug"), "a bug"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.ENOENT, "No such file", "a.seg"), "No such file: 'a.seg'"),
        (TimeoutError(), "TimeoutError"),
        (AssertionError(""), "AssertionError"),
    ],
)
def test_an_error_is_said_in_its_words_or_else_by_its_name(error: Exception, words: str) -> None:
    assert why(error) == words


def test_a_name_that_is_near_is_meant_and_one_that_is_not_is_not() -> None:
    assert did_you_mean("devcie", ("site", "device", "channel")) == ', did you mean "device"?'
    assert did_you_mean("", ("site", "device")) == ""
