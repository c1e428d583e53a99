"""Whole days go, the oldest first, never today's nor a held one; and a disk is never filled to the brim."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from bridge import Share, Size, Unavailable
from bridge_archive import manifest, retention
from bridge_archive.keeper import Keeper
from bridge_archive.verify import Summary, verify
from tests.plugins.archive.archives import archive_in
from tests.plugins.archive.test_verify import TODAY, keeper, make
from tests.plugins.deliveries import SCENE, delivery_of
from tests.rooms import until

pytestmark = pytest.mark.anyio

DAYS = ("2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(tmp_path, *DAYS)
    for day in DAYS:
        (tmp_path / day / "gate-3" / "1" / "large.jpg").write_bytes(bytes(1_000_000))
    return tmp_path


def bounded(root: Path, keep: timedelta | None = None, size: int | None = None) -> Keeper:
    bounded = keeper(root)
    bounded._keep, bounded._size = keep, size
    return bounded


@pytest.mark.parametrize(
    ("keep", "size", "left"),
    [
        (None, None, DAYS),
        (timedelta(days=2), None, DAYS[1:]),
        (timedelta(days=1), None, DAYS[2:]),
        (None, 3_500_000, DAYS[2:]),
        (None, 10, DAYS[4:]),
        (timedelta(days=1), 2_500_000, DAYS[3:]),
    ],
)
def test_what_is_left(root: Path, keep: timedelta | None, size: int | None, left: tuple[str, ...]) -> None:
    bounded(root, keep, size).remove(TODAY)
    assert tuple(manifest.days(root)) == left


def test_a_day_with_a_held_event_stays_and_counts_as_size(root: Path) -> None:
    (root / retention.HOLDS).mkdir()
    (root / retention.HOLDS / "01JD").write_text(f"{DAYS[0]}/gate-3/1/x\n")
    bounded(root, timedelta(days=1), 2_500_000).remove(TODAY)
    assert manifest.days(root) == [DAYS[0], DAYS[4]]


def test_what_retention_removed_is_no_fault_but_what_somebody_else_removed_is(root: Path) -> None:
    looked_after = bounded(root, timedelta(days=2))
    looked_after.seal(TODAY)
    looked_after.remove(TODAY)
    summary = Summary()
    assert list(verify(root, "", summary)) == []
    assert summary.removed == 1
    retention.remove(root, DAYS[2], TODAY)
    assert [finding.kind for finding in verify(root, "", Summary())] == ["removed out of turn"]


def test_a_removal_that_was_cut_short_is_gone_on_with(root: Path) -> None:
    (root / DAYS[0] / "events.jsonl").unlink()
    (root / DAYS[0] / "gate-3" / "1" / "large.jpg").unlink()
    bounded(root, timedelta(days=2)).remove(TODAY)
    assert DAYS[0] not in manifest.days(root)


def test_a_day_is_not_over_ten_minutes_after_midnight(tmp_path: Path) -> None:
    make(tmp_path, "2026-11-24")
    keeper(tmp_path).seal(date(2026, 11, 24))
    assert manifest.head(tmp_path) == ""


def test_what_is_sealed_is_not_looked_at_again_until_it_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given sealed days, the next round lists and sizes only those that changed since."""
    looked: list[str] = []
    list_files, size_of = manifest.files_of, retention.size_of

    def listing(root: Path, day: str) -> list[str]:
        looked.append(day)
        return list_files(root, day)

    def sizing(folder: Path) -> int:
        looked.append(folder.name)
        return size_of(folder)

    monkeypatch.setattr(manifest, "files_of", listing)
    monkeypatch.setattr(retention, "size_of", sizing)
    bounded_ = bounded(root, size=100_000_000)
    monkeypatch.setattr("bridge_archive.keeper.datetime", _Noon)
    bounded_._look_after(set())
    assert looked == [*DAYS[:4], *DAYS]
    looked.clear()
    bounded_._look_after(set())
    assert looked == [DAYS[4]]  # today is not sealed yet
    looked.clear()
    (root / DAYS[1] / "gate-3" / "1" / "late.jpg").write_bytes(b"late")
    bounded_._look_after({DAYS[1]})
    assert looked == [DAYS[1], DAYS[1], DAYS[4]]
    assert list(verify(root, "", Summary())) == []


def test_a_clock_that_jumped_costs_no_day_that_is_not_old(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a clock that is set years ahead, at the start or later: age removes nothing until it ran on from there."""

    class Clock(datetime):
        shown = datetime(2026, 11, 25, 12, tzinfo=UTC)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromisoformat(cls.shown.isoformat()).astimezone(tz)

    monkeypatch.setattr("bridge_archive.keeper.datetime", Clock)
    monkeypatch.setattr("bridge_archive.keeper.time", Monotonic)
    looked_after = bounded(root, timedelta(days=2))

    def left_an_hour_later(shown: datetime) -> list[str]:
        Clock.shown = shown
        Monotonic.now += 3600
        looked_after._look_after(set())
        return manifest.days(root)

    noon, hour, years = datetime(2026, 11, 25, 4, tzinfo=UTC), timedelta(hours=1), timedelta(days=3650)
    assert left_an_hour_later(noon + years) == [*DAYS]  # the first look after a start
    assert left_an_hour_later(noon + hour) == [*DAYS]
    assert left_an_hour_later(noon + 2 * hour) == [*DAYS[1:]]
    assert left_an_hour_later(noon + 3 * hour + years) == [*DAYS[1:]]
    assert left_an_hour_later(noon + 4 * hour) == [*DAYS[1:]]


class Monotonic:
    now = 0.0

    @classmethod
    def monotonic(cls) -> float:
        return cls.now


class _Noon(datetime):
    """It is noon of the last of the days."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Noon:
        return cls(2026, 11, 25, 12, tzinfo=tz)


async def test_an_event_makes_its_day_be_looked_at_again(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    await archive.open()
    await archive.deliver(delivery_of(("scene", SCENE)))
    assert archive._keeper._changed == {"2026-11-23"}
    await archive.close()


async def test_less_room_than_is_to_be_left_makes_it_wait(tmp_path: Path) -> None:
    archive = archive_in(tmp_path, min_free=Size("900TB"))
    with pytest.raises(Unavailable, match=r"GB are free on its disk, `min_free` is 900TB"):
        await archive.open()
    with pytest.raises(Unavailable, match="min_free"):
        await archive.check()
    with pytest.raises(Unavailable, match="min_free"):
        await archive.deliver(delivery_of(("scene", SCENE)))
    await archive.close()


async def test_a_share_is_of_the_whole_disk(tmp_path: Path) -> None:
    archive = archive_in(tmp_path, min_free=Share("100%"))
    with pytest.raises(Unavailable, match="min_free"):
        await archive.open()
    await archive.close()


async def test_it_is_looked_after_while_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_archive.keeper._FIRST_SECONDS", 0.0)
    make(tmp_path / "archive", "2020-01-01")
    archive = archive_in(tmp_path)
    await archive.open()
    await until((tmp_path / "archive" / manifest.FOLDER).exists)
    await archive.close()
