"""Trying an output: its far side, the output in hand or in a daemon of its own, and what must have arrived."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import msgspec
import pytest

from bridge.config import toml
from bridge.config.load import read
from bridge.config.settings import Settings
from bridge.dispatch.call import CLEANUP_SECONDS
from bridge.dispatch.policy import Verdict
from bridge.output import Delivery
from bridge.plugins import Plugins
from bridge.testing.bridge import Bridge
from bridge.testing.far_side import Arrived, FarSide
from bridge.testing.in_hand import Begun, InHand, StillRunning
from bridge.testing.sample import sample_push

NAME: Final = "contract"
"""The output's name in each configuration of the kit."""


class Trial:
    """What the promises are tried with."""

    def __init__(self, side: FarSide, folder: Path) -> None:
        self.side = side
        self.folder = folder
        self.given: set[str] = set()
        """The ids of all events that the output was given by hand."""

    def __enter__(self) -> Self:
        self.table = {"type": self.side.output.type, **self.side.reach(self.folder)}
        return self

    def __exit__(self, *_: object) -> None:
        self.side.leave()

    def deliver(self, hand: InHand, delivery: Delivery) -> None:
        """Deliver it, which must succeed, and see it arrive whole, except for what the output says it left out."""
        verdict = self.waited(hand, delivery)
        if verdict.kind != "delivered":
            broken(f"the far side is there, and deliver {did(verdict)}")
        self.must_have([delivery], whole=not verdict.reason)

    def waited(self, hand: InHand, delivery: Delivery, timeout: float | None = None) -> Verdict:
        """Deliver it, and say what came of that."""
        self.given.add(delivery.event.id)
        try:
            return hand.deliver(delivery, timeout)
        except StillRunning as error:
            broken(f"deliver is {error}")

    def begin(self, hand: InHand, delivery: Delivery) -> Begun:
        """Begin a delivery."""
        self.given.add(delivery.event.id)
        return hand.begin(delivery)

    def cancel(self, begun: Begun) -> None:
        """Cancel a delivery, which must let go."""
        began = time.monotonic()
        begun.cancel()
        self.wait_for_end(begun)
        if time.monotonic() - began > 0.9 * CLEANUP_SECONDS:
            broken(f"deliver went on for {CLEANUP_SECONDS:g} s after it was cancelled, and had to be cut off")

    def wait_for_end(self, begun: Begun) -> None:
        """Wait until a delivery is over."""
        if not begun.ended(self.side.patience):
            broken(f"a delivery is not over {self.side.patience:g} s after its end was asked for")

    def must_have(self, deliveries: list[Delivery], *, whole: bool = True) -> None:
        """See that all arrived, each whole, and nothing that is no event."""
        wanted = {delivery.event.id: delivery for delivery in deliveries}
        self.until(lambda: wanted.keys() <= self.ids())
        missing, stray = wanted.keys() - self.ids(), self.ids() - self.given
        if stray:
            broken(f'something arrived under the id "{min(stray)}", which is no event\'s')
        if missing:
            broken(f"{len(missing)} of {len(wanted)} events never arrived, though deliver returned for them")
        for one in self.side.arrived():
            if whole and one.id in wanted and (lack := self._lack(one, wanted[one.id])):
                broken(f"event {one.id} arrived {lack}")

    def _lack(self, one: Arrived, delivery: Delivery) -> str:
        """What is wrong with it; "" where nothing is."""
        if self.side.document:
            if one.document is None:
                return "without its document"
            if msgspec.json.decode(one.document) != msgspec.json.decode(delivery.document):
                return "with another document than it was given"
        roles = {"all": {"scene", "target", "reference", "other"}, "scene": {"scene"}, "none": set()}[
            self.side.pictures
        ]
        there = {hashlib.sha256(picture).hexdigest() for picture in one.pictures}
        pictures = [picture for picture in delivery.event.pictures if picture.role in roles]
        lacking = [picture.role for picture in pictures if picture.sha256 not in there]
        return f"without these pictures as they were: {', '.join(lacking)}" if lacking else ""

    def ids(self) -> set[str]:
        """The ids of the events that the far side has."""
        return {one.id for one in self.side.arrived()}

    def until(self, condition: Callable[[], object], seconds: float | None = None) -> None:
        """Wait a while for something to hold; who called looks at what is."""
        deadline, pause = time.monotonic() + (seconds or self.side.patience), 0.01
        while not condition() and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(0.2, pause * 1.5)

    # --- What it is tried with

    @property
    def can_freeze(self) -> bool:
        """Whether the test says how to freeze the far side."""
        return type(self.side).freeze is not FarSide.freeze

    @contextmanager
    def frozen(self, *, or_not: bool = False) -> Iterator[None]:
        """The far side frozen; `or_not`: as it is, where it can't be."""
        if self.can_freeze or not or_not:
            self.side.freeze()
        try:
            yield
        finally:
            self.side.thaw()

    @contextmanager
    def in_hand(self) -> Iterator[InHand]:
        """The output, not opened."""
        settings = self.settings(self.table)
        with InHand(lambda: self.side.output(settings.context(NAME)), self.side.patience) as hand:
            yield hand

    @contextmanager
    def opened(self) -> Iterator[InHand]:
        """The output, opened; closed at the end, as far as it can be."""
        with self.in_hand() as hand:
            self.open(hand)
            try:
                yield hand
            finally:
                with suppress(StillRunning):
                    hand.close()

    def open(self, hand: InHand) -> None:
        """Open it, which must succeed."""
        verdict = hand.open()
        if verdict.kind != "delivered":
            broken(f"the far side is there, and open {did(verdict)}")

    def settings(self, table: Mapping[str, Any]) -> Settings:
        """What the configuration with this table comes to; raises ConfigError."""
        file, data = self.folder / "contract.toml", toml.value(self.folder / "data")
        file.write_text(f'site = "plant-a"\ndata = {data}\n{_toml(table)}', encoding="utf-8")
        return read(file).settings({self.side.output.type: self.side.output})

    def configured(self, log_level: str = "info") -> Bridge:
        """A daemon with the output, which does not run."""
        folder = self.folder / "bridge"
        folder.mkdir()
        bridge = Bridge(folder, _toml(self.table), log_level=log_level)
        if Plugins().load().outputs.get(self.side.output.type) is not self.side.output:  # neither is it installed
            bridge.drop_in(self.side.output, "register_outputs")
        return bridge

    @contextmanager
    def bridge(self, log_level: str = "info") -> Iterator[Bridge]:
        """A running daemon with the output."""
        with self.configured(log_level) as bridge:
            yield bridge

    def push(self, bridge: Bridge, count: int) -> None:
        """Push so many small events."""
        for _ in range(count):
            status, answer = bridge.push(sample_push(small=True))
            if status != 200:
                raise AssertionError(f"boxbridge refused a push: {status} {answer}")


def broken(finding: str) -> NoReturn:
    """Say what was found, without a traceback of the kit."""
    pytest.fail(finding, pytrace=False)


def did(verdict: Verdict) -> str:
    """What came of a call, as the end of a sentence."""
    if verdict.kind == "delivered":
        return "returned as if all were well"
    return f"came to {verdict.kind} ({verdict.reason})"


def _toml(table: Mapping[str, Any]) -> str:
    return "\n".join([*toml.table(("output", NAME), table), ""])
