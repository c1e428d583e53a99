"""The intake: one push from its bytes to its answer. Success is answered only when the push is on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import structlog
from msgspec.structs import replace

from bridge.config.settings import UNKNOWN, Settings
from bridge.event import Event, shortened
from bridge.figures import Histogram, Labelled
from bridge.hookspecs import DROP
from bridge.journal.journal import Journal, JournalUnavailable
from bridge.normalizer import Answer, Malformed, Normalizer, Outcome, Parsed, Push
from bridge.plugins import Plugins
from bridge.protocols.mapper import Mapped
from bridge.receiver.admission import Admission
from bridge.receiver.aliases import name_device
from bridge.receiver.devices import Devices
from bridge.receiver.fetching import Fetching
from bridge.receiver.terms import Refusal, Terms
from bridge.receiver.unknown import Unknown
from bridge.repeats import Repeats, kind_of

log = structlog.get_logger("boxbridge.receiver")

RETRY_AFTER_SECONDS: Final = 5
"""When a push that could not be stored may come again."""
OnAnswer: TypeAlias = Callable[[Push, str, str, tuple[Event, ...], Outcome], None]


class Intake:
    """Takes pushes, whichever way they came."""

    def __init__(self, journal: Journal, plugins: Plugins, settings: Settings) -> None:
        self._plugins = plugins
        self._by_path: Sequence[tuple[tuple[str, ...], tuple[str, ...], Normalizer]]
        """With the whole paths of each, and the beginnings."""
        self._by_look: Sequence[Normalizer]
        self.settings = settings
        self.pushes = Labelled()
        """By protocol and outcome."""
        self.events = Labelled()
        """By device and kind."""
        self.refused = Labelled()
        """By peer and reason."""
        self.answer_seconds = Histogram()
        self.devices = Devices(settings.data / "devices.json")
        """Who pushes, by the names that events give them."""
        self.unknown = Unknown(settings.data / UNKNOWN)
        """What was refused because nothing understood it."""
        self.on_answer: list[OnAnswer] = []
        """Who wants to hear of each push: with its protocol, its device as far as known, its events, its outcome."""
        self._journal = journal
        self._repeats = Repeats(log)
        self._fetching = Fetching()

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        mapped = [Mapped(name, mapping, settings.timezone) for name, mapping in settings.protocol.items()]
        self._terms = Terms(settings)
        self.admission = Admission(settings.server)
        """Who may push."""
        built_in = self._plugins.normalizers.values()
        self._by_path = [_with_paths(normalizer) for normalizer in (*mapped, *built_in)]
        self._by_look = (*built_in, *mapped)

    async def take(self, push: Push) -> Answer:
        """Store a push and word its answer."""
        began = time.perf_counter()
        normalizer = self._choose(push)
        try:
            parsed = normalizer.parse(push)
        except Malformed as error:
            self.unknown.keep(push, str(error))
            return self.refuse(push, 400, str(error), normalizer)
        if self._terms and (refusal := self._terms.refusal(push, parsed)):
            return self._refuse(push, parsed, normalizer, refusal)
        if parsed.wanted:
            fetched = await self._fetching.pictures(push, parsed, int(self.settings.server.max_body))
            parsed = normalizer.parse(replace(push, fetched=fetched))
        events = self._prepare(parsed)
        outcome = await self._store(push, parsed, events)
        seconds = time.perf_counter() - began
        # The device waits for its answer; nobody waits for this.
        asyncio.get_running_loop().call_soon(self._note, push, parsed, events, normalizer, outcome, seconds)
        return _answer(normalizer, push, parsed, outcome)

    def _note(
        self,
        push: Push,
        parsed: Parsed,
        events: tuple[Event, ...],
        normalizer: Normalizer,
        outcome: Outcome,
        seconds: float,
    ) -> None:
        """Count a push that was answered, and tell of it whoever looks on."""
        device = self._device_of(parsed, events)
        self.devices.note(device, push, events[0] if events else None, parsed.oddities)
        self.pushes.count(normalizer.name, outcome.kind)
        self.answer_seconds.observe(seconds)
        if outcome.kind == "stored":
            for event in events:
                self.events.count(event.device.id, event.kind)
        elif outcome.kind == "unknown":
            log.info("message kept, nothing to deliver", protocol=normalizer.name, message=shortened(parsed.message),
                     device=parsed.device, peer=push.peer)  # fmt: skip
        for tell in self.on_answer:
            tell(push, normalizer.name, device, events, outcome)

    def understand(self, push: Push) -> Parsed:
        """What a push holds, of which nothing is stored; raises Malformed."""
        return self._choose(push).parse(push)

    def probe(self, push: Push) -> Answer:
        """Answer a device that only asks whether we are there."""
        return self._choose(push).probe(push)

    def refuse(self, push: Push, status: int, reason: str, normalizer: Normalizer | None = None) -> Answer:
        """Answer a push that is not understood or not allowed; it is counted, and logged once a minute.

        What of the reason is the same each time stands before its first colon, as in Malformed.
        """
        wait = RETRY_AFTER_SECONDS if status == 503 else 0
        return self._refuse(push, None, normalizer or self._choose(push), Refusal("", status, reason, wait))

    def _refuse(self, push: Push, parsed: Parsed | None, normalizer: Normalizer, why: Refusal) -> Answer:
        kind: Literal["not stored", "refused"] = "not stored" if why.status == 503 else "refused"
        self.pushes.count(normalizer.name, kind)
        self.refused.count(push.peer, kind_of(why.reason))
        self._turned_away(kind, push, why.reason, why.device)
        self._tell_once("push refused", push, why.reason, device=why.device, path=push.path, bytes=len(push.body))
        outcome = Outcome(kind, why.status, why.reason, why.retry_after)
        for tell in self.on_answer:
            tell(push, normalizer.name, why.device, (), outcome)
        return _answer(normalizer, push, parsed, outcome)

    def _choose(self, push: Push) -> Normalizer:
        """By the vendor's path first, then by a look at the bytes; the first one words the refusal of the rest."""
        for whole, beginnings, normalizer in self._by_path:
            if push.path in whole or push.path.startswith(beginnings):
                return normalizer
        recognizing = (normalizer for normalizer in self._by_look if normalizer.recognizes(push))
        return next(recognizing, self._by_look[0])

    async def _store(self, push: Push, parsed: Parsed, events: tuple[Event, ...]) -> Outcome:
        if parsed.heartbeat:
            return Outcome("heartbeat")
        if parsed.events and not events:
            return Outcome("stored")  # a plugin dropped them all: nobody wants this push
        try:
            stored = await self._journal.append(push, parsed, events)
        except JournalUnavailable as error:
            reason = f"the push could not be stored: {error}; try again"
            self._tell_once("push not stored", push, reason, device=parsed.device)
            self._turned_away("not stored", push, reason, self._device_of(parsed, events))
            return Outcome("not stored", 503, reason, RETRY_AFTER_SECONDS)
        if stored.duplicate:
            log.info("duplicate push", device=parsed.device, msg_id=parsed.key.msg_id, sequence=stored.sequence)
            self._turned_away("duplicate", push, "", self._device_of(parsed, events), stored.sequence)
            return Outcome("duplicate")
        for event in events:  # at once: no output is given it before
            self._plugins.tell("event_accepted", event=event)
        return Outcome("stored" if parsed.events else "unknown")

    def _prepare(self, parsed: Parsed) -> tuple[Event, ...]:
        prepared = []
        for event in parsed.events:
            named = name_device(event, self.settings.site, self.settings.device)
            changed = self._plugins.prepare_event(named)
            if changed is not DROP:
                prepared.append(changed)
        return tuple(prepared)

    def _turned_away(self, outcome: str, push: Push, reason: str, device: str = "", sequence: int = 0) -> None:
        """Tell the journal's history of a push that is not stored as a new one."""
        self._journal.places.notes.turn_away(
            outcome, device=device, peer=push.peer, reason=kind_of(reason), sequence=sequence
        )

    def _device_of(self, parsed: Parsed, events: tuple[Event, ...]) -> str:
        if events:
            return shortened(events[0].device.id)
        alias = self.settings.device.get(parsed.device)
        return shortened((alias and alias.id) or parsed.device)

    def _tell_once(self, what: str, push: Push, reason: str, device: str, **fields: object) -> None:
        """One line a minute for the same peer, device and reason: a box that is refused comes again and again."""
        named = {"device": device} if device else {}
        self._repeats.warn(what, push.peer, device, kind_of(reason), peer=push.peer, reason=reason, **named, **fields)


def _with_paths(normalizer: Normalizer) -> tuple[tuple[str, ...], tuple[str, ...], Normalizer]:
    return tuple(normalizer.paths), tuple(path for path in normalizer.paths if path.endswith("/")), normalizer


def _answer(normalizer: Normalizer, push: Push, parsed: Parsed | None, outcome: Outcome) -> Answer:
    """The vendor's answer, with when to come again."""
    answer = normalizer.answer(push, parsed, outcome)
    return replace(answer, retry_after=outcome.retry_after) if outcome.retry_after else answer
