"""The beginning of a body: what nobody reads is counted, and no more is looked at than is shown."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from bridge.words.bodies import beginning

PIECES = st.sampled_from(["word ", "A" * 199 + " ", "b" * 200, "\n", "é", "=" * 9_000, "/" * 30_000, " " * 700])


@given(st.lists(PIECES, max_size=40).map("".join))
def test_long_runs_are_counted_wherever_they_stand(text: str) -> None:
    whole = re.sub(r"[A-Za-z0-9+/=\\]{200,}", lambda run: f"({len(run[0]):,} characters)", text)
    assert beginning(text.encode(), "en") == (whole[:4000], len(whole) > 4000)


def test_of_a_very_large_body_only_the_beginning_is_looked_at() -> None:
    body = b"hello world " * 1_400_000
    began = time.thread_time()
    body.decode("utf-8", "replace")
    decoded = time.thread_time() - began
    began = time.thread_time()
    assert beginning(body, "en")[1]
    assert time.thread_time() - began < 5 * decoded + 0.05
