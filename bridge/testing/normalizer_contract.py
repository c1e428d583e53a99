"""The contract of normalizers: one class gives bodies as devices push them, and pytest tries every promise on them."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, get_args, get_type_hints

import msgspec
import pybase64
import pytest

from bridge.event import decode_document, encode_document, utc_now
from bridge.formats import NO_PICTURE, media_type
from bridge.normalizer import Answer, Malformed, Normalizer, Outcome, Parsed, Push
from bridge.plugins import Plugins
from bridge.testing.bridge import Bridge
from bridge.testing.trial import broken

__all__ = ["NormalizerContract"]

_QUICK_SECONDS: Final = 0.1
_FOREIGN: Final = (b"", b"{}", b"[]", b"<a/>", b"\xff\xd8\xff\xe0", b"a=1&b=2")
_DAMAGED: Final = 200
"""So many damaged bodies are made of each."""


class NormalizerContract:
    """Subclass it as `class TestMine(NormalizerContract)`, with the class and bodies: each promise is a test then."""

    normalizer: ClassVar[type[Normalizer]]
    """The class that is tried. It must be importable by its module's name, since a daemon of its own runs it too."""
    content_type: ClassVar[str] = "application/json"
    """What the devices say that they send."""

    def bodies(self) -> Sequence[bytes]:
        """Pushes as the devices send them, each with one event or more."""
        raise NotImplementedError("give the bodies of pushes: def bodies(self)")

    @pytest.fixture
    def pushes(self) -> list[Push]:
        """The bodies as the receiver hands them on."""
        return [self._push(body) for body in self.bodies()]

    @pytest.mark.promise("it knows its own", "each push on a path of nobody's, and six bodies that are none")
    def test_it_knows_its_own(self, pushes: list[Push]) -> None:
        one = self.normalizer()
        if not one.paths and not all(one.recognizes(push) for push in pushes):
            broken("it has no `paths`, and does not recognize all of its pushes by their bytes")
        for body in _FOREIGN:
            if one.recognizes(self._push(body)):
                broken(f"it takes {body!r} for a push of its own")

    @pytest.mark.promise(
        "events and pictures are whole", "each document; each picture's digest, size, format and place"
    )
    def test_events_and_pictures_are_whole(self, pushes: list[Push]) -> None:
        for push in pushes:
            parsed = self.normalizer().parse(push)
            if not parsed.events:
                broken("a push holds no event")
            for event in parsed.events:
                again = decode_document(encode_document(event))
                others = [name for name in event.__struct_fields__ if getattr(event, name) != getattr(again, name)]
                if others:
                    said = f"event {event.kind}, written as a document and read again, has another {others[0]}"
                    broken(f"{said}: {getattr(again, others[0])}, not {getattr(event, others[0])}")
            _check_pictures(push, parsed)

    @pytest.mark.promise("a repeat is known as one", "each push read twice; all pushes have keys of their own")
    def test_a_repeat_is_known_as_one(self, pushes: list[Push]) -> None:
        one = self.normalizer()
        keys = [one.parse(push).key for push in pushes]
        if keys != [one.parse(push).key for push in pushes]:
            broken("the same push has another key each time, so that repeats are delivered as new events")
        if len(set(keys)) < len(keys):
            broken("two different pushes have one key, so that the second is taken for a repeat")

    @pytest.mark.promise("what is damaged is Malformed", "each push cut off and with wrong bytes, in 200 places")
    def test_what_is_damaged_is_malformed(self, pushes: list[Push]) -> None:
        one, chance = self.normalizer(), random.Random(8)
        for push in pushes:
            for body in _damaged(push.body, chance):
                try:
                    one.parse(self._push(body))
                except Malformed:
                    continue
                except Exception as error:  # noqa: BLE001 - that is what is looked for
                    broken(f"a damaged push raised {type(error).__name__}: {error}; it should raise Malformed")

    @pytest.mark.promise("every outcome has an answer", "each outcome, with the push read and not")
    def test_every_outcome_has_an_answer(self, pushes: list[Push]) -> None:
        one, push = self.normalizer(), pushes[0]
        parsed = one.parse(push)
        answers: dict[str, Answer] = {}
        for kind in get_args(get_type_hints(Outcome)["kind"]):
            status = {"refused": 400, "not stored": 503}.get(kind, 200)
            for read in (parsed, None):
                answers[kind] = one.answer(push, read, Outcome(kind, status, "a reason"))
                if not isinstance(answers[kind], Answer):
                    broken(f'the answer to "{kind}" is no Answer')
        if answers["stored"] == answers["not stored"]:
            broken("a push that could not be stored is answered as if it were, and the device forgets it")

    @pytest.mark.promise("the loop is not held", "each push, the best of three; less than 0.1 s")
    def test_the_loop_is_not_held(self, pushes: list[Push]) -> None:
        one = self.normalizer()
        for push in pushes:
            took = min(_seconds(one, push) for _ in range(3))
            if took > _QUICK_SECONDS:
                broken(f"a push of {len(push.body):,} bytes takes {took:.2f} s; meanwhile nobody is served")

    @pytest.mark.promise("it reads in the daemon", "each push sent twice to a daemon of its own with an archive")
    def test_it_reads_in_the_daemon(self, pushes: list[Push], tmp_path: Path) -> None:
        bridge = Bridge(tmp_path, '[output.local]\ntype = "archive"\n')
        installed = Plugins().load().normalizers.get(self.normalizer.name)
        if type(installed) is not self.normalizer:
            bridge.drop_in(self.normalizer, "register_normalizers", made=True)
        wanted = sum(len(self.normalizer().parse(push).events) for push in pushes)
        path = next(iter(self.normalizer.paths), "/")
        with bridge:
            for push in pushes * 2:
                status, _ = bridge.send(push.body, path, self.content_type)
                if status >= 400:
                    broken(f"the daemon answered {status} to a push; its log says why: {_last_line(bridge.log)}")
            bridge.until(lambda: bridge.output("local")["delivered"] >= wanted)
        there = [msgspec.json.decode(file.read_bytes()) for file in (bridge.data / "archive").glob("2*/*/*/*[!l].json")]
        if len(there) != wanted:
            broken(f"of {wanted} events in pushes that came twice, {len(there)} were delivered")

    def _push(self, body: bytes) -> Push:
        return Push(
            method="POST",
            path="/",
            query="",
            headers={"content-type": self.content_type},
            body=body,
            peer="127.0.0.1",
            received=utc_now(),
        )


def _check_pictures(push: Push, parsed: Parsed) -> None:
    found = {picture.sha256: picture.data for picture in parsed.pictures}
    for picture in parsed.pictures:
        if hashlib.sha256(picture.data).hexdigest() != picture.sha256:
            broken("a picture's sha256 is not that of its bytes")
        if picture.span and pybase64.b64encode(picture.data) != push.body[slice(*picture.span)]:
            broken("a picture's span is not where its base64 text stands in the body")
    for named in (picture for event in parsed.events for picture in event.pictures):
        if named.sha256 not in found:
            broken(f"an event names a picture ({named.role}) that is not among those of the push")
        if named.size != len(found[named.sha256]):
            broken(f"a picture ({named.role}) has {len(found[named.sha256])} bytes, and its size says {named.size}")
        told = media_type(found[named.sha256])
        if told not in (NO_PICTURE, named.media_type):
            broken(f"a picture ({named.role}) is {told} by its bytes, and its media_type says {named.media_type}")


def _damaged(body: bytes, chance: random.Random) -> Iterator[bytes]:
    for number in range(_DAMAGED):
        place = chance.randrange(len(body))
        yield body[:place] if number % 2 else body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]


def _seconds(normalizer: Normalizer, push: Push) -> float:
    began = time.perf_counter()
    normalizer.parse(push)
    return time.perf_counter() - began


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().splitlines()[-1]
