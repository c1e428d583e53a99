"""Each exception means what the contract of outputs says, and waits keep their bounds."""

from __future__ import annotations

import errno
import socket

import pytest

from bridge import PictureLost, Rejected, Retry, Stopped, Unavailable
from bridge.dispatch.policy import EVENT_CAP, LONGEST_REASON, OUTPUT_CAP, judge, wait_for_event, wait_for_output


class OfALibrary(Exception):
    """Something that a client library raises."""


@pytest.mark.parametrize(
    ("error", "kind", "unexpected"),
    [
        (Unavailable("down"), "unavailable", False),
        (Retry("busy"), "retry", False),
        (Rejected("bad"), "rejected", False),
        (Stopped("gone"), "stopped", False),
        (PictureLost("damaged"), "rejected", False),
        (ConnectionError("reset"), "unavailable", False),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "unavailable", False),
        (BrokenPipeError("pipe"), "unavailable", False),
        (TimeoutError("late"), "unavailable", False),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), "unavailable", False),
        (OSError(errno.ENETUNREACH, "network is unreachable"), "unavailable", False),
        (OSError(errno.EHOSTUNREACH, "no route to host"), "unavailable", False),
        (OfALibrary("its way to say it"), "unavailable", False),
        (OSError(errno.EIO, "picture can't be read now"), "retry", False),
        (OSError(errno.ENOSPC, "no space"), "retry", True),
        (FileNotFoundError(errno.ENOENT, "no such file"), "retry", True),
        (ValueError("a bug"), "retry", True),
        (KeyError("key"), "retry", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_exception_means_what_the_contract_says(error: Exception, kind: str, unexpected: bool) -> None:
    verdict = judge(error, (OfALibrary,))
    assert (verdict.kind, verdict.unexpected) == (kind, unexpected)


def test_what_an_output_does_not_name_is_a_retry() -> None:
    assert judge(OfALibrary("its way to say it"), ()).kind == "retry"


@pytest.mark.parametrize("raised", [Unavailable, Retry])
def test_the_wait_that_was_asked_for_is_passed_on(raised: type[Unavailable | Retry]) -> None:
    assert judge(raised("soon", after=7.5), ()).after == 7.5


def test_a_reason_is_text_that_the_journal_can_keep_whatever_an_output_says() -> None:
    assert judge(Retry("\x1b[31m\n\ud800"), ()).reason == "\x1b[31m\n?"
    assert len(judge(Rejected("x" * 1_000_000), ()).reason) == LONGEST_REASON

    class Speechless(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    assert judge(Speechless(), ()).reason == "Speechless: (its text can't be read: ValueError)"


def test_the_reason_is_the_sentence_or_else_the_exceptions_name() -> None:
    assert judge(Rejected("no such gate"), ()).reason == "no such gate"
    assert judge(ConnectionResetError(), ()).reason == "ConnectionResetError"
    assert judge(ValueError("a bug"), ()).reason == "ValueError: a bug"
    assert judge(AssertionError(), ()).reason == "AssertionError"


@pytest.mark.parametrize("failures", [1, 2, 5, 7, 100, 1025, 100_000])
def test_an_output_that_is_away_waits_longer_and_longer_up_to_a_minute(failures: int) -> None:
    waits = [wait_for_output(failures, None) for _ in range(200)]
    widest = min(OUTPUT_CAP, 2.0 ** min(failures - 1, 20))
    assert 0 <= min(waits) < max(waits) <= widest
    assert max(waits) > widest / 2


@pytest.mark.parametrize("retries", [1, 2, 5, 10, 1024, 100_000])
def test_an_event_that_failed_waits_longer_and_longer_up_to_a_quarter_of_an_hour(retries: int) -> None:
    waits = [wait_for_event(retries, None) for _ in range(200)]
    widest = min(EVENT_CAP, 2.0 ** min(retries, 20))
    assert widest / 2 <= min(waits) < max(waits) <= widest


def test_what_the_far_side_asks_for_is_the_least_wait() -> None:
    assert wait_for_output(1, 300) == 300
    assert wait_for_event(1, 2000) == 2000
    assert wait_for_event(10, 1) >= 400


@pytest.mark.parametrize("asked", [1e11, float("inf")])
def test_nobody_can_ask_for_more_than_an_hour(asked: float) -> None:
    assert wait_for_output(1, asked) == wait_for_event(1, asked) == 3600
