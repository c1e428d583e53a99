"""The contract of outputs: one class says where the far side is, and pytest tries every promise on it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pytest
from msgspec import Struct

from bridge.options import Secret
from bridge.output import Delivery
from bridge.stopwatch import HELD_SECONDS
from bridge.testing import wrong_options
from bridge.testing.deliveries import in_disorder, picture_of, sample_delivery
from bridge.testing.far_side import Arrived, FarSide
from bridge.testing.growth import growth_of
from bridge.testing.in_hand import InHand
from bridge.testing.service import HttpService
from bridge.testing.trial import NAME, Trial, broken, did

__all__ = ["Arrived", "HttpOutputContract", "OutputContract"]

_MIDDLE_SECONDS: Final = 0.2
"""After so long a delivery to a far side that is frozen is in its middle."""


_LATE_SECONDS: Final = 1.0
"""Within which a far side that goes on has taken what it was given while it was frozen."""


class OutputContract(FarSide):
    """Subclass it as `class TestMine(OutputContract)`, name the output, say how its far side is reached and cut off.

    Each promise is a test then, with a far side of its own, which should be the real thing on this machine. What it
    can't do (`freeze`, `refuse`) is left out, and the promise is reported as not tried.
    """

    @pytest.fixture
    def trial(self, tmp_path: Path) -> Iterator[Trial]:
        """The output and its far side, new for each promise."""
        with Trial(self, tmp_path) as trial:
            yield trial

    @pytest.mark.promise("delivered intact", "an event with a scene and two snapshots: document, each picture's digest")
    def test_delivered_intact(self, trial: Trial) -> None:
        with trial.opened() as hand:
            trial.deliver(hand, sample_delivery(targets=2, snapshots=True))

    @pytest.mark.promise("the same id on a repeat", "the same event twice, as after a timeout")
    def test_same_id_on_a_repeat(self, trial: Trial) -> None:
        first = sample_delivery(small=True)
        with trial.opened() as hand:
            trial.deliver(hand, first)
            trial.deliver(hand, msgspec.structs.replace(first, attempt=2))

    @pytest.mark.promise("a far side that is away costs nothing", "cut off while open, tried, mended")
    def test_far_side_down_then_up(self, trial: Trial) -> None:
        before, during = sample_delivery(small=True), sample_delivery(small=True)
        with trial.opened() as hand:
            trial.deliver(hand, before)
            self.cut()
            verdict = trial.waited(hand, during)
            if verdict.kind != "unavailable":
                broken(f"the far side was away, and deliver {did(verdict)}; it should raise Unavailable")
            hand.close()
            opening = hand.open()
            if opening.kind not in ("unavailable", "delivered"):
                broken(f"the far side was away, and open {did(opening)}; it should raise Unavailable")
            if opening.kind == "delivered":
                hand.close()
            self.mend()
            trial.open(hand)
            trial.deliver(hand, during)

    @pytest.mark.promise("a slow far side ends in the timeout", "a far side that answers nothing; timeout 0.5 s")
    def test_slow_far_side(self, trial: Trial) -> None:
        delivery = sample_delivery(small=True)
        with trial.opened() as hand:
            with trial.frozen():
                thawing = Timer(1.5, self.thaw)
                if hand.plain:  # nobody can interrupt a thread
                    thawing.start()
                began = time.monotonic()
                verdict = trial.waited(hand, delivery, 0.5)
                took = time.monotonic() - began
                thawing.cancel()
            if verdict.kind == "delivered" and (not hand.plain or took < 1.4):
                broken(f"deliver {did(verdict)} after {took:.1f} s, before the far side had taken anything")
            if verdict.kind in ("rejected", "stopped"):
                broken(f"the far side was slow, and deliver {did(verdict)}")
            hand.close()
            trial.open(hand)
            trial.deliver(hand, delivery)

    @pytest.mark.promise(
        "a late answer counts for no other", "answered after its timeout; the next one is not answered"
    )
    def test_late_answer_counts_for_no_other(self, trial: Trial) -> None:
        late, following = sample_delivery(small=True), sample_delivery(small=True)
        with trial.opened() as hand:
            if hand.plain:
                pytest.skip("a plain deliver waits for its answer, however late it comes")
            with trial.frozen():
                trial.waited(hand, late, 0.5)
            trial.until(lambda: late.event.id in trial.ids(), _LATE_SECONDS)  # where it was cut off, it never comes
            with trial.frozen():
                verdict = trial.waited(hand, following, 0.5)
                if verdict.kind == "delivered" and following.event.id not in trial.ids():
                    broken("the answer to an event that had timed out was taken for the answer to the next one")

    @pytest.mark.promise("cancelled in the middle, it lets go", "cancelled after 0 to 20 turns of the loop, and frozen")
    def test_cancelled_in_the_middle(self, trial: Trial) -> None:
        with trial.opened() as hand:
            if hand.plain:
                pytest.skip("a plain deliver runs in a thread, which nobody can cancel")
            for turns in (0, 1, 2, 5, 20):
                begun = trial.begin(hand, sample_delivery(small=True))
                hand.turn(turns)
                trial.cancel(begun)
            with trial.frozen(or_not=True):
                begun = trial.begin(hand, sample_delivery(small=True))
                begun.ended(_MIDDLE_SECONDS)
                trial.cancel(begun)
            hand.close()
            trial.open(hand)
            trial.deliver(hand, sample_delivery(small=True))

    @pytest.mark.promise("refused for good, it says so", "a far side that refuses every event")
    def test_refused_for_good(self, trial: Trial) -> None:
        self.refuse()
        with trial.in_hand() as hand:
            verdict = hand.open()
            if verdict.kind == "delivered":
                verdict = trial.waited(hand, sample_delivery(small=True))
                hand.close()
        if verdict.kind not in ("rejected", "stopped"):
            broken(f"the far side refused, and the output {did(verdict)}; it should raise Rejected or Stopped")

    @pytest.mark.promise("a crash loses nothing", "a daemon killed with 20 events on their way, and started again")
    def test_crash_in_the_middle(self, trial: Trial) -> None:
        with trial.bridge() as bridge:
            trial.push(bridge, 1)
            bridge.until(trial.ids, self.patience)
            with trial.frozen(or_not=True):
                trial.push(bridge, 20)
                if trial.can_freeze:
                    bridge.until(lambda: bridge.output(NAME)["under_way"])
                bridge.kill()
            bridge.start()
            trial.until(lambda: len(trial.ids()) >= 21)
            if len(trial.ids()) != 21:
                broken(f"21 events were pushed, and {len(trial.ids())} ids arrived")
            if dead := bridge.output(NAME)["dead"]:
                broken(f"{dead} of 21 events became dead letters")

    @pytest.mark.promise("large pictures", "one of 1 MB, one of 10 MB")
    def test_large_pictures(self, trial: Trial) -> None:
        with trial.opened() as hand:
            for size in (1_000_000, 10_000_000):
                trial.deliver(hand, sample_delivery(picture=picture_of(size)))

    @pytest.mark.promise("no picture", "an event whose push has none")
    def test_no_picture(self, trial: Trial) -> None:
        delivery = sample_delivery(picture=b"")
        with trial.opened() as hand:
            verdict = trial.waited(hand, delivery)
            if verdict.kind != "delivered":
                broken(f"the event has no picture, and deliver {did(verdict)}")
            if not verdict.reason:  # else it said that there was nothing to bring
                trial.must_have([delivery])

    @pytest.mark.promise("many at once, in disorder", "1,000 events of 7 devices, as many at once as the daemon gives")
    def test_many_in_disorder(self, trial: Trial) -> None:
        deliveries = in_disorder(1000)
        trial.given |= {delivery.event.id for delivery in deliveries}
        with trial.opened() as hand:
            failed = [verdict for verdict in hand.deliver_all(deliveries) if verdict.kind != "delivered"]
            if failed:
                broken(f"{len(failed)} of 1,000 deliveries failed; the first {did(failed[0])}")
            trial.must_have(deliveries)

    @pytest.mark.promise("closed with deliveries under way", "8 under way to a frozen far side; they come again")
    def test_closed_with_deliveries_under_way(self, trial: Trial) -> None:
        with trial.opened() as hand:
            deliveries = [sample_delivery(small=True) for _ in range(1 if hand.plain else 8)]
            with trial.frozen(or_not=True):
                under_way = [trial.begin(hand, delivery) for delivery in deliveries]
                under_way[0].ended(_MIDDLE_SECONDS)
                if hand.plain:
                    self.thaw()
                for begun in under_way:
                    trial.wait_for_end(begun) if hand.plain else trial.cancel(begun)
                closing = hand.close()
            if closing.kind != "delivered":
                broken(f"close {did(closing)}")
            trial.open(hand)
            for delivery in deliveries:
                trial.deliver(hand, delivery)

    @pytest.mark.promise(
        "wrong options are told", "each of a wrong type, missing, unknown, and the wrong ones of the test"
    )
    def test_wrong_options_are_told(self, trial: Trial) -> None:
        trial.settings(trial.table)
        for fault in wrong_options.faults(self.output, trial.table, self.wrong, trial.settings):
            broken(fault)

    @pytest.mark.promise("secrets are told nobody", "log, reasons, repr and metrics, with the far side there and away")
    def test_secrets_are_told_nobody(self, trial: Trial) -> None:
        options = trial.settings(trial.table).output[NAME].options
        if bare := wrong_options.bare_secret(self.output):
            broken(f"option {bare} is text; as bridge.Secret it would be kept from logs and errors")
        secrets = list(_secrets_in(options))
        if not secrets:
            pytest.skip("its table sets no bridge.Secret")
        with trial.in_hand() as hand:
            told = {"repr": f"{hand.output!r} {options!r}"}
        with trial.bridge(log_level="debug") as bridge:
            trial.push(bridge, 1)
            bridge.until(trial.ids, self.patience)
            self.cut()
            trial.push(bridge, 1)
            with suppress(AssertionError):
                bridge.until(lambda: bridge.output(NAME)["state"] != "open", 5)
            told |= {"its reasons": bridge.ask("/api/v1/outputs").decode(), "metrics": bridge.ask("/metrics").decode()}
            told |= {"the log": bridge.log.read_text(errors="replace")}
        for place, text in told.items():
            if any(form in text for secret in secrets for form in _forms(secret)):
                broken(f"a secret stands in {place}")

    @pytest.mark.promise(
        "the event loop is never held", "opened, then a frozen far side or 10 MB; less than 0.1 s at once"
    )
    def test_event_loop_is_never_held(self, trial: Trial) -> None:
        delivery = sample_delivery(small=True) if trial.can_freeze else sample_delivery(picture=picture_of(10_000_000))
        with trial.opened() as hand:
            held = [self._held(trial, hand, delivery)]
            while held[-1] > HELD_SECONDS and len(held) < 3:  # who blocks does so each time; a loaded machine does not
                held.append(self._held(trial, hand, delivery))
        if held[-1] > HELD_SECONDS:
            broken(f"it held the event loop for {min(held):.2f} s; meanwhile nobody is served")

    @pytest.mark.promise(
        "it does not grow", "{deliveries:,} deliveries in a process of its own: memory, files, threads, tasks"
    )
    def test_it_does_not_grow(self, trial: Trial) -> None:
        bridge = trial.configured()
        if found := growth_of(bridge.config, NAME, self.deliveries):
            broken(f"over {self.deliveries:,} deliveries {found}")

    def _held(self, trial: Trial, hand: InHand, delivery: Delivery) -> float:
        """For how long the event loop stood still at most while it was opened and delivered, slowly if that can be."""
        thawing = Timer(0.5, self.thaw)
        hand.longest_held = 0
        hand.close()
        trial.open(hand)
        with trial.frozen(or_not=True):
            thawing.start()
            verdict = trial.waited(hand, delivery)
            held = hand.longest_held
            thawing.join()
        if verdict.kind != "delivered":
            broken(f"the far side is there, and deliver {did(verdict)}")
        return held


class HttpOutputContract(OutputContract):
    """The contract of an output whose far side is an HTTP service: one of the kit's stands in for it, as `service`."""

    service: HttpService

    def table(self, url: str) -> Mapping[str, Any]:
        """The keys of the output's table; `url`: where the service is, such as `http://127.0.0.1:4711`."""
        raise NotImplementedError("give the keys of the output's table: def table(self, url)")

    def reach(self, folder: Path) -> Mapping[str, Any]:
        self.service = HttpService()
        return self.table(self.service.url)

    def cut(self) -> None:
        self.service.stop()

    def mend(self) -> None:
        self.service.start()

    def freeze(self) -> None:
        self.service.freeze()

    def thaw(self) -> None:
        self.service.thaw()

    def refuse(self) -> None:
        self.service.status = 422


def _secrets_in(content: object) -> Iterator[str]:
    match content:
        case Secret():
            yield content.reveal()
        case Struct():
            for name in content.__struct_fields__:
                yield from _secrets_in(getattr(content, name))
        case Mapping():
            for one in content.values():
                yield from _secrets_in(one)
        case list() | tuple():
            for one in content:
                yield from _secrets_in(one)


def _forms(secret: str) -> set[str]:
    """How a secret may stand in a text."""
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
