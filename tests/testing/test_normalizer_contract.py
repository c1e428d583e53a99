"""The built-in normalizer keeps the contract of normalizers, which finds faults that were planted in others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from bridge import Answer, Key, Malformed, Normalizer, Outcome, Parsed, Picture, Push
from bridge.protocols.skill import SkillNormalizer
from bridge.testing import draw_dot, sample_push
from bridge.testing.normalizer_contract import NormalizerContract


class Family(NormalizerContract):
    """The vendor's family, or what is made of it."""

    normalizer: ClassVar[type[Normalizer]] = SkillNormalizer

    def bodies(self) -> Sequence[bytes]:
        return [sample_push(small=True), sample_push(targets=2, snapshots=True), sample_push(picture=draw_dot())]


class TestSkill(Family):
    """All promises of the built-in one."""


class _Changed(SkillNormalizer):
    def parse(self, push: Push) -> Parsed:
        return self.changed(super().parse(push))

    def changed(self, parsed: Parsed) -> Parsed:
        return parsed


class TakesAll(_Changed):
    def recognizes(self, push: Push) -> bool:
        return True


class LosesThePicture(_Changed):
    def changed(self, parsed: Parsed) -> Parsed:
        return replace(parsed, pictures=())


class MisplacesThePicture(_Changed):
    def changed(self, parsed: Parsed) -> Parsed:
        return replace(parsed, pictures=tuple(replace(picture, span=(0, 4)) for picture in parsed.pictures))


class MistakesTheFormat(_Changed):
    def changed(self, parsed: Parsed) -> Parsed:
        changed = (event.with_(pictures=tuple(map(_as_png, event.pictures))) for event in parsed.events)
        return replace(parsed, events=tuple(changed))


def _as_png(picture: Picture) -> Picture:
    return replace(picture, media_type="image/png")


class NewKeyEachTime(_Changed):
    count = 0

    def changed(self, parsed: Parsed) -> Parsed:
        self.count += 1
        return replace(parsed, key=Key("box", str(self.count), b""))


class OneKeyForAll(_Changed):
    def changed(self, parsed: Parsed) -> Parsed:
        return replace(parsed, key=Key("box", "", b""))


class RaisesWhatItLikes(_Changed):
    def parse(self, push: Push) -> Parsed:
        try:
            return super().parse(push)
        except Malformed as error:
            raise KeyError("message") from error


class AlwaysAnswersSuccess(_Changed):
    def answer(self, push: Push, parsed: Parsed | None, outcome: Outcome) -> Answer:
        return Answer(status=200, body=b"ok")


@pytest.mark.parametrize(
    ("normalizer", "promise", "finding"),
    [
        (TakesAll, "it_knows_its_own", r"takes b'' for a push of its own"),
        (LosesThePicture, "events_and_pictures_are_whole", r"names a picture \(scene\) that is not among"),
        (MisplacesThePicture, "events_and_pictures_are_whole", r"span is not where its base64 text stands"),
        (MistakesTheFormat, "events_and_pictures_are_whole", "image/jpeg by its bytes, and its media_type says"),
        (NewKeyEachTime, "a_repeat_is_known_as_one", "another key each time"),
        (OneKeyForAll, "a_repeat_is_known_as_one", "two different pushes have one key"),
        (RaisesWhatItLikes, "what_is_damaged_is_malformed", "raised KeyError"),
        (AlwaysAnswersSuccess, "every_outcome_has_an_answer", "answered as if it were"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_planted_fault_is_found(normalizer: type[Normalizer], promise: str, finding: str) -> None:
    contract: Any = type("Trying", (Family,), {"normalizer": normalizer})()
    pushes = [contract._push(body) for body in contract.bodies()]
    with pytest.raises(pytest.fail.Exception, match=finding):
        getattr(contract, f"test_{promise}")(pushes)
