"""Measuring a disk: figures of what was really written, and nothing of it stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bridge.journal import disk
from bridge.journal.disk import Series, measure
from tests.journal.faults import Fault, noted

PROBE = "boxbridge-doctor.tmp"


def test_each_group_is_written_whole_and_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = noted(monkeypatch, "writev", "fdatasync")
    series = measure(tmp_path, 16, 1000, 0.0)
    assert calls == ["writev", "fdatasync"] * series.groups
    assert (series.pushes, series.bytes, series.groups) == (16, 1000, 20)
    assert 0 < series.sync_ms <= series.sync_ms_p99 <= series.sync_ms_worst
    assert series.sync_ms_worst / 1000 < series.seconds
    assert list(tmp_path.iterdir()) == []


def test_it_goes_on_for_so_long_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure(tmp_path, 1, 1000, 0.3).seconds >= 0.3
    monkeypatch.setattr(disk, "_MOST_BYTES", 50_000)
    assert measure(tmp_path, 1, 1000, 60.0).groups == 50


def test_rates_are_pushes_and_bytes_a_second() -> None:
    series = Series(pushes=16, bytes=1000, groups=20, seconds=2.0, sync_ms=1.0, sync_ms_p99=2.0, sync_ms_worst=3.0)
    assert (series.rate, series.bytes_rate) == (160.0, 160_000.0)


def test_a_disk_that_fails_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fault(monkeypatch, "fdatasync", errno.EIO, after=3)
    with pytest.raises(OSError, match="Input/output"):
        measure(tmp_path, 1, 1000, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_interrupted_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdatasync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, 1, 1000, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / PROBE).symlink_to(precious)
    with pytest.raises(OSError, match=PROBE):
        measure(tmp_path / "data", 1, 1000, 0.0)
    assert precious.read_text() == "kept"
