"""Replays: delivering again from the journal what a person asks for."""

from __future__ import annotations

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from bridge.control.answers import Missing, Wrong, answering, body, kept, writable
from bridge.control.events import filter_of, find, standings
from bridge.control.house import House
from bridge.control.numbers import NUMBER
from bridge.journal.cursor import now_ms
from bridge.journal.questions import FOR_EVER, count_events
from bridge.journal.record import ReplayEntry
from bridge.journal.replay import Replay


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be delivered again. Times as people type them, of receipt."""

    output: str
    since: str
    until: str = ""
    device: str = ""
    kind: str = ""
    rate: float = 10.0
    dry_run: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """What a replay will do, or would."""

    number: int | None
    """By which it can be cancelled; null where it was only tried."""
    output: str
    events: int
    """How many events it is about; those that wait for the output anyway are not given to it twice."""
    waiting: int
    """How many of them wait anyway, at most."""
    seconds: float
    """How long it takes at least."""


class ReplayReport(Struct, frozen=True, kw_only=True):
    """How a replay stands."""

    number: int
    output: str
    asked: float
    """Seconds since 1970."""
    opened: int
    """How many events it had delivered again, since the start."""
    left: int
    """How many sequences it has still to look at."""
    rate: float


def routes(house: House) -> list[Route]:
    """Asking for replays, listing and cancelling them."""

    async def listed(_: Request) -> list[ReplayReport]:
        return reports(house)

    async def ask(request: Request) -> Found:
        return await begin(house, await body(request, Wish))

    async def cancel(request: Request) -> ReplayReport:
        await body(request, dict)
        number = request.path_params["number"]
        replay = next((r for r in house.journal.places.replays if r.number == number and not r.over), None)
        if replay is None:
            raise Missing(f"there is no replay {number} under way")
        report = _report(house, replay)
        await house.replays.cancel(replay)
        with kept():
            await house.journal.write_all()
        return report

    return [
        Route("/api/v1/replays", answering(listed)),
        Route("/api/v1/replays", answering(ask), methods=["POST"]),
        Route(f"/api/v1/replays/{NUMBER}/cancel", answering(cancel), methods=["POST"]),
    ]


def reports(house: House) -> list[ReplayReport]:
    """All replays under way."""
    return [_report(house, replay) for replay in house.journal.places.replays if not replay.over]


async def begin(house: House, wish: Wish) -> Found:
    """Begin a replay, or only say what it would do; raises Wrong, Missing, Trouble and sqlite3.Error."""
    (standing,) = standings(house, wish.output) if wish.output else (None,)
    if standing is None:
        raise Wrong("say which output is to deliver again")
    if not wish.since:
        raise Wrong("say since when")
    if not 0 < wish.rate <= 1000:
        raise Wrong("the rate must be a number of events a second, above 0 and up to 1000")
    wanted = {"since": wish.since, "until": wish.until, "device": wish.device, "kind": wish.kind}
    asked = await filter_of(house, wanted)
    next_ = house.journal.next
    count = await house.journal.ask(lambda index: count_events(index, asked, next_))
    number = None
    if count.events and not wish.dry_run:
        writable(house)
        number = house.journal.places.new_number()
        entry = ReplayEntry(
            number=number,
            output=standing.number,
            asked=now_ms(),
            next=count.first,
            until=count.last + 1,
            since=asked.since,
            before=0 if asked.before == FOR_EVER else asked.before,
            device=asked.device,
            kind=asked.kind,
            rate=wish.rate,
        )
        await house.replays.add(entry)
    return Found(
        number=number,
        output=wish.output,
        events=count.events,
        waiting=min(count.events, standing.waiting_between(count.first, count.last + 1)),
        seconds=count.events / wish.rate,
    )


async def begin_one(house: House, what: str, output: str) -> None:
    """Have one output deliver one event again; raises Missing, Trouble and sqlite3.Error."""
    row = await find(house, what)
    (standing,) = standings(house, output)
    writable(house)
    entry = ReplayEntry(
        number=house.journal.places.new_number(),
        output=standing.number,
        asked=now_ms(),
        next=row.sequence,
        until=row.sequence + 1,
        since=0,
        before=0,
        device="",
        kind="",
        rate=1,
    )
    await house.replays.add(entry)


def _report(house: House, replay: Replay) -> ReplayReport:
    output = next((name for name, cursor in house.journal.cursors.items() if cursor.number == replay.output), "")
    return ReplayReport(
        number=replay.number,
        output=output,
        asked=replay.asked / 1000,
        opened=replay.opened,
        left=replay.until - replay.next,
        rate=replay.rate,
    )
