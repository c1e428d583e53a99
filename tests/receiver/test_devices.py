"""Who pushes, at which rhythm, with which clock: learned from pushes, kept over restarts, bounded."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge.config.settings import DeviceSettings
from bridge.receiver import devices
from bridge.receiver.devices import Devices, Pusher
from bridge.testing import sample_event
from tests.rooms import opened, push_of

pytestmark = pytest.mark.anyio

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)  # a Monday


def seen_at(known: Devices, *times: datetime, device: str = "gate-3") -> Pusher:
    for time in times:
        known.note(device, msgspec.structs.replace(push_of(b""), received=time), None, ())
    return next(pusher for pusher in known.all() if pusher.id == device)


def each(seconds: float, count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(seconds=seconds * number) for number in range(count)]


def irregular(count: int, start: datetime) -> list[datetime]:
    """A car now and then, each five minutes on average."""
    between = itertools.accumulate(itertools.islice(itertools.cycle((20, 40, 60, 200, 1180)), count))
    return [start + timedelta(seconds=seconds) for seconds in between]


def late_after(pusher: Pusher, silence: timedelta) -> bool:
    return pusher.is_late(pusher.last_seen + silence.total_seconds(), listening_since=0)


def test_one_that_pushes_each_half_minute_is_late_after_two(tmp_path: Path) -> None:
    pusher = seen_at(Devices(tmp_path / "d"), *each(30, 100))
    assert pusher.rhythm == 30
    assert not late_after(pusher, timedelta(seconds=110))
    assert late_after(pusher, timedelta(seconds=130))


def test_one_that_was_seen_once_is_never_late(tmp_path: Path) -> None:
    assert not late_after(seen_at(Devices(tmp_path / "d"), START), timedelta(days=30))


def test_a_gate_that_is_shut_at_night_and_at_week_ends_is_late_on_neither(tmp_path: Path) -> None:
    known = Devices(tmp_path / "d")
    for day in range(12):
        morning = START + timedelta(days=day)
        if morning.weekday() < 5:
            pusher = seen_at(known, *irregular(120, morning))  # ten hours
    assert not late_after(pusher, timedelta(hours=62))
    assert late_after(pusher, timedelta(hours=100))


def test_a_long_silence_is_forgotten_after_two_weeks(tmp_path: Path) -> None:
    known = Devices(tmp_path / "d")
    seen_at(known, START, START + timedelta(days=3))
    pusher = seen_at(known, *irregular(15 * 288, START + timedelta(days=3)))
    assert late_after(pusher, timedelta(hours=1))


def test_one_that_pushes_now_and_then_is_not_late_on_its_first_day(tmp_path: Path) -> None:
    pusher = seen_at(Devices(tmp_path / "d"), *irregular(200, START))
    assert not late_after(pusher, timedelta(days=1))


def test_a_power_cut_does_not_make_one_that_keeps_time_slow_to_be_late(tmp_path: Path) -> None:
    known = Devices(tmp_path / "d")
    seen_at(known, *each(30, 3000))
    pusher = seen_at(known, *each(30, 30, START + timedelta(days=2)))
    assert late_after(pusher, timedelta(minutes=3))


def test_while_nobody_listens_nobody_is_late_and_nothing_is_learned(tmp_path: Path) -> None:
    known = Devices(tmp_path / "d")
    pusher = seen_at(known, *each(30, 100))
    known.opened = (START + timedelta(days=2)).timestamp()
    assert not pusher.is_late(known.opened + 60, known.opened)
    assert pusher.is_late(known.opened + 180, known.opened)
    seen_at(known, START + timedelta(days=2, minutes=1))
    assert max(pusher.intervals) == 30


async def test_a_box_with_a_name_of_its_own_is_one_device_whatever_it_sends(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        named = {"S1": DeviceSettings(id="gate-3")}
        rooms.intake.settings = msgspec.structs.replace(rooms.settings, device=named)
        await rooms.push(b'{"wsKey": "heart", "msg_id": "1", "message": {"deviceInfo": {"id": "S1"}}}')
        await rooms.push(device="S1")
        assert [pusher.id for pusher in rooms.intake.devices.all()] == ["gate-3"]


def test_a_clock_that_was_set_back_does_no_harm(tmp_path: Path) -> None:
    pusher = seen_at(Devices(tmp_path / "d"), START, START - timedelta(hours=1), START - timedelta(minutes=59))
    assert pusher.intervals == [60]


@pytest.mark.parametrize("ahead", [3600.0, -90.0, 0.0])
def test_a_clock_is_measured_by_the_quickest_of_the_last_pushes(tmp_path: Path, ahead: float) -> None:
    known = Devices(tmp_path / "d")
    for number in range(20):
        told = START + timedelta(seconds=60 * number)
        on_its_way = 0.2 if number % 4 == 0 else 40.0
        event = sample_event().with_(reported=told, received=told)
        push = msgspec.structs.replace(push_of(b""), received=told + timedelta(seconds=on_its_way - ahead))
        known.note("gate-3", push, event, ())
    (pusher,) = known.all()
    assert pusher.skew == pytest.approx(ahead - 0.2, abs=0.01)


async def test_what_is_learned_survives_a_restart(tmp_path: Path) -> None:
    known = Devices(tmp_path / "devices.json")
    await known.open()
    known.note("gate-3", push_of(b""), sample_event(), ["message.data.bg"])
    seen_at(known, *each(30, 5))
    await known.close()
    again = Devices(tmp_path / "devices.json")
    await again.open()
    assert again.all() == known.all()
    (pusher,) = again.all()
    assert pusher.skills == {"offvehicle": "2.0.0.0"}
    assert again.odd_fields(5) == [("gate-3", "message.data.bg", 1)]
    assert again.forget("gate-3")
    assert not again.forget("gate-3")
    await again.close()
    assert (tmp_path / "devices.json").read_bytes() == b"[]"


async def test_a_file_that_can_not_be_read_costs_only_what_was_learned(tmp_path: Path) -> None:
    (tmp_path / "devices.json").write_bytes(b"[{")
    known = Devices(tmp_path / "devices.json")
    with capture_logs() as logs:
        await known.open()
    assert [line["file"] for line in logs] == [str(tmp_path / "devices.json")]
    seen_at(known, START)
    await known.close()
    assert b"gate-3" in (tmp_path / "devices.json").read_bytes()


async def test_a_folder_that_can_not_be_written_is_said_and_tried_again(tmp_path: Path) -> None:
    known = Devices(tmp_path / "missing" / "devices.json")
    seen_at(known, START)
    with capture_logs() as logs:
        await known.close()
    assert "could not be saved" in logs[0]["event"]
    (tmp_path / "missing").mkdir()
    await known.close()
    assert (tmp_path / "missing" / "devices.json").exists()


def test_of_very_many_devices_the_longest_unseen_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MOST_DEVICES", 20)
    known = Devices(tmp_path / "d")
    for number, time in enumerate(each(1, 50)):
        seen_at(known, time, device=f"S{number}")
        seen_at(known, time, device="S0")
    assert len(known.all()) <= 20
    assert {"S0", "S49"} <= known.last_seen.keys()


def test_fields_and_skills_of_one_device_are_bounded(tmp_path: Path) -> None:
    known = Devices(tmp_path / "d")
    for number in range(200):
        skill = sample_event().skill
        event = sample_event().with_(skill=msgspec.structs.replace(skill, id=f"skill-{number}"))
        known.note("gate-3", push_of(b""), event, [f"field-{number}"])
    (pusher,) = known.all()
    assert (len(pusher.skills), len(pusher.fields)) == (20, 50)


async def test_heartbeats_and_unknown_kinds_count_as_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        await rooms.push(b'{"wsKey": "heart", "msg_id": "1", "message": {"deviceInfo": {"id": "S1"}}}')
        assert [pusher.id for pusher in rooms.intake.devices.all()] == ["S1"]
