"""How the daemon stands, in figures: outputs, what waits, devices, what was refused, room on the disk."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct

from bridge.control import outputs, replays
from bridge.control.house import House
from bridge.control.outputs import OutputReport
from bridge.dispatch.lane import LaneReport
from bridge.journal.backlog import Holder
from bridge.journal.cursor import now_ms
from bridge.journal.journal import Journal
from bridge.journal.quota import Outlook

_SHOWN_MS: Final = 30 * 86_400_000
"""How long it is shown that an output was passed by."""


class Refusals(Struct, frozen=True):
    """Pushes of one peer that were refused for one reason, since the start."""

    peer: str
    reason: str
    count: int


class OddField(Struct, frozen=True):
    """A field that a device left out or sent in another type; the events are kept all the same."""

    device: str
    field: str
    count: int


class Skipped(Struct, frozen=True, kw_only=True):
    """Events that an output was passed by for good."""

    count: int
    when: int
    """The last time, in milliseconds since 1970."""
    reason: str


class JournalReport(Struct, frozen=True, kw_only=True):
    """How the journal stands."""

    bytes: int
    segments: int
    next: int
    closed_because: str | None
    """Why no push is taken now; None while all is well."""
    parked: dict[str, int]
    """Outputs that are no longer configured, and how many events are kept for them."""
    room: Outlook
    held_by: Holder | None
    """The output that holds the oldest part of it."""
    skipped: dict[str, Skipped]
    """What outputs were passed by for good in the last 30 days."""


class StatusReport(Struct, frozen=True, kw_only=True):
    """What `boxbridge status` shows."""

    version: str
    site: str
    config: str
    started: float
    devices_listen: str
    journal: JournalReport
    outputs: list[LaneReport]
    replays: list[replays.ReplayReport]
    resting: list[OutputReport]
    """Outputs that a person paused or the configuration disables, with what waits for them."""
    devices: dict[str, datetime]
    """When each last pushed."""
    pushes: dict[str, int]
    """By outcome, since the start."""
    refused: list[Refusals]
    odd_fields: list[OddField]


def status_of(house: House) -> StatusReport:
    """What `boxbridge status` shows."""
    journal, intake, settings = house.journal, house.intake, house.settings
    pushes: dict[str, int] = {}
    for (_, outcome), count in intake.pushes.items():
        pushes[outcome] = pushes.get(outcome, 0) + count
    return StatusReport(
        version=house.version,
        site=settings.site,
        config=str(house.config),
        started=house.started,
        devices_listen=settings.server.listen,
        journal=JournalReport(
            bytes=journal.log.bytes_on_disk(),
            segments=len(journal.log.segments),
            next=journal.next,
            closed_because=journal.closed_because,
            parked={cursor.name: cursor.waiting(journal.next) for cursor in journal.parked},
            room=journal.outlook(),
            held_by=journal.holder(),
            skipped=_skipped(journal),
        ),
        outputs=house.dispatcher.reports(),
        replays=replays.reports(house),
        resting=[report for report in outputs.reports(house) if report.state in ("held", "off")],
        devices=intake.devices.last_seen,
        pushes=pushes,
        refused=[Refusals(peer, reason, count) for (peer, reason), count in intake.refused.most_common(20)],
        odd_fields=[OddField(*odd) for odd in intake.devices.odd_fields(20)],
    )


def _skipped(journal: Journal) -> dict[str, Skipped]:
    since = now_ms() - _SHOWN_MS
    return {
        cursor.name: Skipped(count=cursor.skipped_events, when=last.when, reason=last.reason)
        for cursor in journal.cursors.values()
        for last in cursor.skipped[-1:]
        if last.when >= since
    }
