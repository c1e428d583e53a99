"""The contract finds each fault that was planted in an output, and none in a sound one."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import json

from bridge import Output
from bridge.testing.contract import Arrived, HttpOutputContract
from bridge.testing.trial import Trial
from tests.testing import faulty, sound

pytestmark = pytest.mark.own_words


class Posting(HttpOutputContract):
    """How the outputs of these tests are tried."""

    output: ClassVar[type[Output]] = sound.Sound
    wrong = (("gate", 0),)
    deliveries: ClassVar[int] = 900

    def table(self, url: str) -> Mapping[str, Any]:
        return {"url": url, "key": "s3cret!"}

    def arrived(self) -> Iterable[Arrived]:
        for request in tuple(self.service.requests):
            message = json.decode(request.body, type=sound.Message)
            yield Arrived(id=message.id, document=message.document.encode(), pictures=tuple(message.pictures))


class TestSound(Posting):
    """All promises of an async output."""


class TestPlain(Posting):
    """All promises of a plain one."""

    output = sound.Plain


FAULTS = [
    (faulty.AcknowledgesFirst, "slow_far_side", "before the far side had taken anything"),
    (faulty.ChangesIds, "same_id_on_a_repeat", "which is no event's"),
    (faulty.SwallowsErrors, "far_side_down_then_up", "was away, and deliver returned as if all were well"),
    (faulty.CallsOutageRefusal, "far_side_down_then_up", r"was away, and deliver came to rejected \(no connection\)"),
    (faulty.RetriesForEver, "refused_for_good", "refused, and the output came to retry"),
    (faulty.Blocks, "event_loop_is_never_held", r"held the event loop for 0\.[3-9]"),
    (faulty.IgnoresCancellation, "cancelled_in_the_middle", "went on for 2 s after it was cancelled"),
    (faulty.MixesUpAnswers, "late_answer_counts_for_no_other", "was taken for the answer to the next one"),
    (faulty.HoldsItsLock, "cancelled_in_the_middle", "is there, and deliver came to unavailable"),
    (faulty.MarksBeforeSending, "crash_in_the_middle", "21 events were pushed, and"),
    (faulty.ClosesForEver, "closed_with_deliveries_under_way", "close came to unavailable"),
    (faulty.LosesPictures, "delivered_intact", "without these pictures as they were: target, target"),
    (faulty.RewritesDocuments, "delivered_intact", "with another document than it was given"),
    (faulty.CutsLargePictures, "large_pictures", "without these pictures as they were: scene"),
    (faulty.WantsPictures, "no_picture", r"has no picture, and deliver came to retry \(AssertionError"),
    (faulty.SendsTheLatest, "many_in_disorder", "events never arrived, though deliver returned"),
    (faulty.ChecksWrongly, "wrong_options_are_told", "gate is wrong, and .* its checks failed: KeyError"),
    (faulty.TakesAnything, "wrong_options_are_told", "option gate takes 0"),
    (faulty.BareSecret, "secrets_are_told_nobody", "option password is text"),
    (faulty.LogsItsSecret, "secrets_are_told_nobody", "a secret stands in the log"),
    (faulty.TellsItsSecret, "secrets_are_told_nobody", "a secret stands in its reasons"),
    (faulty.KeepsEverything, "it_does_not_grow", "bytes of each are left in memory"),
    (faulty.LeavesTasks, "it_does_not_grow", "100 tasks of each 100 are left behind"),
    (faulty.LeavesFiles, "it_does_not_grow", "100 files of each 100 are left behind"),
    (faulty.LeavesThreads, "it_does_not_grow", "100 threads of each 100 are left behind"),
]


@pytest.fixture
def _nothing_kept() -> Iterator[None]:
    """What a faulty output leaves open is found here, and not in some other test."""
    yield
    faulty.KEPT.clear()
    gc.collect()


@pytest.mark.usefixtures("_nothing_kept")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(("output", "promise", "finding"), FAULTS, ids=[output.__name__ for output, *_ in FAULTS])
def test_a_planted_fault_is_found(output: type[Output], promise: str, finding: str, tmp_path: Path) -> None:
    contract = type("Trying", (Posting,), {"output": output, "patience": 3.0, "deliveries": 300})()
    with Trial(contract, tmp_path) as trial, pytest.raises(pytest.fail.Exception, match=finding):
        getattr(contract, f"test_{promise}")(trial)
