"""An output is given what `only`, `max_age` and `at_most` of its table say, and `why` can tell of the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge import Delivery, Rejected, Retry, Unavailable
from bridge.config.settings import AtMost, Only, OutputSettings
from bridge.dispatch import selection as selection_module
from bridge.dispatch.selection import Selection, Skip, selection_of
from bridge.event import Event, utc_now
from bridge.journal.questions import troubles
from bridge.options import Duration
from bridge.output import NoOptions
from bridge.testing import sample_event
from tests.rooms import Far, Rooms, async_output, opened, until

pytestmark = pytest.mark.anyio

NOW = utc_now()
LONG = Duration("1h")


def settings(**keys: Any) -> OutputSettings:
    return OutputSettings(type="sink", options=NoOptions(), **keys)


def event(seconds: float = 0, **push: Any) -> Event:
    """An event received so many seconds from now."""
    return sample_event(small=True, when=NOW, **push).with_(received=NOW + timedelta(seconds=seconds))


def judged(selection: Selection, sequence: int, event: Event) -> bool:
    """Whether an event that comes the first time is given to the output."""
    return selection.skip(sequence, event, NOW, first=True, asked_for=False) is None


# --- The rules


@pytest.mark.parametrize(
    ("only", "fits"),
    [
        (Only(kind=("pre_offvehicle",)), True),
        (Only(kind=("fire*", "pre_*")), True),
        (Only(kind=("fire*",)), False),
        (Only(kind=("PRE_*",)), False),
        (Only(kind=("offvehicle",)), False),
        (Only(device=("DMB*",)), True),
        (Only(device=("gate-?",), kind=("*",)), False),
        (Only(channel=("1",)), True),
        (Only(channel=("通道[12]",)), True),
        (Only(skill=("车辆*",)), True),
        (Only(kind=("pre_*",), channel=("2",)), False),
    ],
)
def test_only_names_what_the_output_is_about(only: Only, fits: bool) -> None:
    assert judged(Selection(settings(only=only)), 1, event()) == fits


def test_a_device_with_an_alias_is_known_by_its_serial_number_too() -> None:
    named = event()
    named = named.with_(device=type(named.device)(id="gate-3", serial="DMB1", uuid="DMB2", id_from="alias"))
    for name in ("gate-3", "DMB1", "DMB2"):
        assert judged(Selection(settings(only=Only(device=(name,)))), 1, named)


def test_an_event_is_skipped_when_it_is_older_than_max_age() -> None:
    selection = Selection(settings(max_age=Duration("10m")))
    assert selection.skip(1, event(), NOW + timedelta(minutes=10), first=True, asked_for=False) is None
    late = NOW + timedelta(minutes=10, seconds=1)
    assert selection.skip(1, event(), late, first=True, asked_for=False) == Skip(
        "max_age", "it was older than `max_age` (10m) when its turn came"
    )
    assert selection.skip(1, event(), late, first=False, asked_for=False) is not None
    assert selection.skip(1, event(), late, first=False, asked_for=True) is None


def test_of_many_alike_the_first_pass_and_the_next_window_tells_of_the_rest() -> None:
    selection = Selection(settings(at_most=AtMost(count=2, per=Duration("30s"))))
    passed = [second for second in range(70) if judged(selection, second, event(second))]
    assert passed == [0, 1, 30, 31, 60, 61]
    assert [selection.beside(second) for second in passed] == [0, 0, 28, 0, 28, 0]


def test_each_sort_is_counted_apart() -> None:
    selection = Selection(settings(at_most=AtMost(count=1, per=Duration("30s"), by=("channel", "kind"))))
    assert judged(selection, 1, event(0, channel=1))
    assert judged(selection, 2, event(1, channel=2))
    assert judged(selection, 3, event(1, channel=2, kind="pre_fire"))
    assert not judged(selection, 4, event(2, channel=2))
    assert judged(selection, 5, event(31, channel=1))
    assert judged(selection, 6, event(31, channel=2))
    assert [selection.beside(sequence) for sequence in (5, 6)] == [0, 1]


def test_what_is_tried_again_or_asked_for_takes_no_place() -> None:
    selection = Selection(settings(at_most=AtMost(count=1, per=Duration("30s"))))
    assert judged(selection, 1, event())
    assert selection.skip(1, event(), NOW, first=False, asked_for=False) is None
    assert selection.skip(2, event(), NOW, first=True, asked_for=True) is None


def test_what_a_dead_letter_should_have_told_the_next_one_tells() -> None:
    selection = Selection(settings(at_most=AtMost(count=1, per=Duration("30s"))))
    for sequence, second in enumerate((0, 1, 2, 31, 32, 62)):
        judged(selection, sequence, event(second))
        if second == 31:
            assert selection.beside(sequence) == 2
            selection.over(sequence, delivered=False)
    assert selection.beside(5) == 3
    selection.over(5, delivered=True)
    assert selection.beside(5) == 0


def test_no_more_windows_are_remembered_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection_module, "_MOST_WINDOWS", 3)
    selection = Selection(settings(at_most=AtMost(count=1, per=Duration("30s"), by=("device",))))
    for second, device in enumerate("abcd"):
        assert judged(selection, second, event(second, device=device))
    assert not judged(selection, 5, event(5, device="b"))
    assert judged(selection, 6, event(6, device="a"))
    assert judged(selection, 7, event(90, device="e"))
    assert judged(selection, 8, event(91, device="f"))


def test_an_output_without_these_keys_chooses_nothing() -> None:
    assert selection_of(settings()) is None


# --- In a lane


async def reasons(rooms: Rooms) -> list[tuple[str, str]]:
    """Outcome and reason of all that the index knows to have gone otherwise than well."""
    await rooms.journal.write_all()
    found = await rooms.journal.ask(lambda index: troubles(index, 0, 1000))
    return [(change.outcome, change.reason) for change in sorted(found, key=lambda change: change.sequence)]


async def test_what_is_skipped_is_settled_counted_and_told(tmp_path: Path, far: Far) -> None:
    keys: dict[str, Any] = {"only": Only(kind=("pre_off*",)), "max_age": LONG, "at_most": AtMost(count=1, per=LONG)}
    async with opened(tmp_path, async_output("sink", far), **keys) as rooms:
        (first,) = await rooms.push_some(1)
        await rooms.push(kind="pre_fire")
        await rooms.push(when=utc_now() - timedelta(hours=2))
        await rooms.push()
        await until(rooms.is_settled)
        assert far.ids() == [first]
        assert dict(rooms.dispatcher.figures["sink"].outcomes.items()) == {
            ("delivered",): 1, ("skipped_only",): 1, ("skipped_max_age",): 1, ("skipped_at_most",): 1,
        }  # fmt: skip
        assert await reasons(rooms) == [
            ("unwanted", "its kind is not among those of `only`"),
            ("unwanted", "it was older than `max_age` (1h) when its turn came"),
            ("unwanted", "`at_most` (1 in 1h) had passed before it"),
        ]
        assert rooms.lane().cursor.skipped_events == 0  # nothing that people need to be warned of
        assert rooms.report().waiting == 0
    far.given.clear()
    async with opened(tmp_path, async_output("sink", far)) as rooms:  # without the keys: it is settled for good
        (last,) = await rooms.push_some(1)
        await until(rooms.is_settled)
    assert [delivery.event.id for delivery in far.given] == [last]


async def test_how_many_were_skipped_is_told_on_every_attempt_of_the_next_one(
    tmp_path: Path, far: Far, impatient: None
) -> None:
    def fail_twice(delivery: Delivery) -> None:
        if delivery.attempt < 3:
            raise Retry("not now") if delivery.attempt == 1 else Unavailable("down")

    per = Duration("3s")
    async with opened(tmp_path, async_output("sink", far), at_most=AtMost(count=1, per=per)) as rooms:
        await rooms.push_some(4)
        await until(rooms.is_settled)
        assert [delivery.skipped for delivery in far.given] == [0]
        await until(lambda: utc_now() - far.given[0].event.received > timedelta(seconds=per))
        far.answer = fail_twice
        await rooms.push_some(1)
        await until(rooms.is_settled)
    assert [delivery.skipped for delivery in far.given] == [0, 3, 3, 3]


async def test_an_event_that_failed_keeps_its_place_over_a_restart(tmp_path: Path, far: Far, impatient: None) -> None:
    def refuse(_: Delivery) -> None:
        raise Retry("not now")

    far.answer = refuse
    at_most = AtMost(count=1, per=LONG)
    async with opened(tmp_path, async_output("sink", far), at_most=at_most) as rooms:
        (first,) = await rooms.push_some(1)
        await until(lambda: len(far.given) > 1)
        await rooms.push()
        await until(lambda: rooms.report().waiting == 1)
    far.answer = lambda _: None
    async with opened(tmp_path, async_output("sink", far), at_most=at_most) as rooms:
        (second, _) = await rooms.push_some(2)  # the windows begin anew: one more may pass
        await until(rooms.is_settled)
    assert sorted(far.ids()) == sorted([first, second])


async def test_a_person_is_given_what_was_too_old_or_too_many_but_nothing_that_the_output_is_not_about(
    tmp_path: Path, far: Far
) -> None:
    keys: dict[str, Any] = {"only": Only(kind=("pre_off*",)), "max_age": LONG, "at_most": AtMost(count=1, per=LONG)}
    async with opened(tmp_path, async_output("sink", far), **keys) as rooms:
        await rooms.push_some(2)
        await rooms.push(when=utc_now() - timedelta(hours=2))
        await rooms.push(kind="pre_fire")
        await until(rooms.is_settled)
        ids = rooms.heard.ids()
        far.taken.clear()
        for sequence in range(1, 5):
            rooms.dispatcher.again("sink", sequence, replay=True)
        await until(rooms.is_settled)
        assert sorted(far.ids()) == sorted(ids[:3])
        assert {delivery.skipped for delivery in far.taken} == {0}


async def test_a_dead_letter_that_a_person_wants_is_not_too_old(tmp_path: Path, far: Far) -> None:
    def refuse(_: Delivery) -> None:
        raise Rejected("bad")

    far.answer = refuse
    async with opened(tmp_path, async_output("sink", far), max_age=Duration("1s")) as rooms:
        (dead,) = await rooms.push_some(1)
        await until(lambda: rooms.report().dead)
        far.answer = lambda _: None
        await until(lambda: utc_now() - far.given[0].event.occurred > timedelta(seconds=1))
        assert rooms.dispatcher.again("sink", rooms.lane().cursor.dead_letters()[0].sequence)
        await until(rooms.is_settled)
    assert far.ids() == [dead]
