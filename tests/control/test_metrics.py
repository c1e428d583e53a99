"""Prometheus reads the daemon's figures under the names that are promised."""

from __future__ import annotations

import errno
import re
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import Rejected, Unavailable, __version__
from bridge.journal.journal import Lost, Record
from bridge.testing import sample_push
from tests.daemon import Running, bridge_with
from tests.journal.faults import Fault
from tests.rooms import Bringing, Far, async_output, until

pytestmark = pytest.mark.anyio

SINK = '[output.sink]\ntype = "sink"\n'
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(running: Running) -> Samples:
    """Every sample by its name and labels."""
    answer = await running.control.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"boxbridge_{name}", tuple(sorted(labels.items()))))


async def test_what_was_taken_and_delivered_is_counted(tmp_path: Path) -> None:
    far = Far()

    def reject_second(_: object) -> None:
        if len(far.given) == 2:
            raise Rejected("too large")

    far.answer = reject_second
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        body = sample_push(small=True)
        before = time.time()
        for sent in (body, body, sample_push(small=True, kind="pre_fire"), b"hello"):
            await box.push(sent)
        lane = running.daemon.dispatcher.lanes["sink"]
        await until(lambda: lane.report().delivered == 1 and lane.report().dead == 1)
        samples = await scrape(running)
    device = "DMB3160PWC21J00001"
    assert value(samples, "pushes_total", protocol="skill", outcome="stored") == 2
    assert value(samples, "pushes_total", protocol="skill", outcome="duplicate") == 1
    assert value(samples, "refused_pushes_total", peer="127.0.0.1", reason="not JSON") == 1
    assert value(samples, "pushes_total", protocol="skill", outcome="refused") == 1
    assert value(samples, "events_total", device=device, kind="pre_fire") == 1
    assert value(samples, "deliveries_total", output="sink", outcome="delivered") == 1
    assert value(samples, "deliveries_total", output="sink", outcome="rejected") == 1
    assert value(samples, "delivery_seconds_count", output="sink") == 1
    assert value(samples, "delivery_seconds_bucket", output="sink", le="+Inf") == 1
    assert value(samples, "dead_events", output="sink") == 1
    assert value(samples, "loop_held_seconds_total", output="sink") == 0
    assert value(samples, "waiting_events", output="sink") == 0
    assert value(samples, "oldest_waiting_timestamp_seconds", output="sink") is None
    assert value(samples, "answer_seconds_count") == 3
    assert 0 < (value(samples, "answer_seconds_sum") or 0) < 5
    assert (value(samples, "journal_bytes") or 0) > 4096
    assert (value(samples, "journal_limit_bytes") or 0) > 10**6
    assert 0 < (value(samples, "journal_held_ratio") or 0) < 1
    assert (value(samples, "journal_room_seconds") or 0) > 3600
    assert (value(samples, "journal_written_bytes_total", file="log") or 0) > 12_000
    assert value(samples, "journal_written_bytes_total", file="index") is not None
    assert value(samples, "skipped_events_total", output="sink") == 0
    assert (value(samples, "journal_sync_seconds_count") or 0) >= 2
    assert before - 1 < (value(samples, "device_last_seen_timestamp_seconds", device=device) or 0) < time.time()
    assert value(samples, "build_info", version=__version__) == 1


async def test_what_waits_is_shown_with_the_time_of_the_oldest(tmp_path: Path) -> None:
    far = Far()

    def away() -> None:
        raise Unavailable("down")

    far.opening = away
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        before = time.time()
        await box.push(sample_push(small=True))
        between = time.time()
        await box.push(sample_push(small=True))
        samples = await scrape(running)
    assert value(samples, "waiting_events", output="sink") == 2
    oldest = value(samples, "oldest_waiting_timestamp_seconds", output="sink")
    assert oldest is not None
    assert before - 0.01 <= oldest <= between


async def test_what_waits_for_an_output_that_does_not_run_is_shown_too(tmp_path: Path) -> None:
    far = Far()
    tables = SINK + '[output.off]\ntype = "sink"\nenabled = false\n'
    async with bridge_with(tmp_path, tables, Bringing(async_output("sink", far))) as running, running.box() as box:
        await box.push(sample_push(small=True))
        await until(lambda: far.taken)
        assert (await running.socket.post("/api/v1/outputs/sink/pause", json={})).status_code == 200
        await box.push(sample_push(small=True))
        samples = await scrape(running)
    for output, waits in (("sink", 1), ("off", 2)):
        assert value(samples, "waiting_events", output=output) == waits
        assert value(samples, "dead_events", output=output) == 0
        assert value(samples, "oldest_waiting_timestamp_seconds", output=output)


async def test_a_record_that_can_not_be_read_costs_its_own_figure_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)
    far = Far()

    def away() -> None:
        raise Unavailable("down")

    far.opening = away
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        for _ in range(2):  # so that the first is in memory no longer
            await box.push(sample_push(small=True))
        with monkeypatch.context() as disk:
            faults = [Fault(disk, call, errno.EIO, times=1000) for call in ("pread", "preadv")]
            samples = await scrape(running)
        assert sum(fault.hits for fault in faults)
    assert value(samples, "waiting_events", output="sink") == 2
    assert value(samples, "oldest_waiting_timestamp_seconds", output="sink") is None


async def test_a_reload_while_figures_are_gathered_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Far()

    def away() -> None:
        raise Unavailable("down")

    far.opening = away
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running, running.box() as box:
        await box.push(sample_push(small=True))
        journal, file = running.daemon.journal, tmp_path / "boxbridge.toml"
        read = journal.read

        async def read_during_a_reload(sequence: int) -> Record | Lost:
            file.write_text(file.read_text().replace("[output.sink]", "[output.other]"))
            await running.daemon.reload()
            return await read(sequence)

        monkeypatch.setattr(journal, "read", read_during_a_reload)
        samples = await scrape(running)
    assert value(samples, "waiting_events", output="sink") == 1
    assert value(samples, "waiting_events", output="other") is None


async def test_buckets_add_up(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running, running.box() as box:
        for _ in range(3):
            await box.push(sample_push(small=True))
        samples = await scrape(running)
    found = [(labels, count) for (name, labels), count in samples.items() if name == "boxbridge_answer_seconds_bucket"]
    counts = [count for _, count in sorted(found, key=lambda pair: float(dict(pair[0])["le"]))]
    assert counts == sorted(counts)
    assert counts[-1] == 3


async def test_without_a_push_there_is_something_to_read(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        samples = await scrape(running)
    assert value(samples, "answer_seconds_count") == 0
    assert value(samples, "build_info", version=__version__) == 1


async def test_names_in_any_script_and_with_any_character_can_be_read(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running, running.box() as box:
        for device in ('东门"\\\n', "a" * 200):
            assert (await box.push(sample_push(small=True, device=device))).success
        lone = sample_push(small=True).replace(b"DMB3160PWC21J00001", b"\\ud800")
        assert (await box.push(lone)).success
        samples = await scrape(running)
    devices = {dict(labels)["device"] for name, labels in samples if name == "boxbridge_events_total"}
    assert devices == {'东门"\\', "a" * 200, "\ufffd"}


async def test_no_more_than_some_devices_have_samples_of_their_own(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running, running.box() as box:
        for number in range(210):
            assert (await box.push(sample_push(small=True, device=f"box-{number}"))).success
        samples = await scrape(running)
    events = [labels for name, labels in samples if name == "boxbridge_events_total"]
    seen = [labels for name, labels in samples if name == "boxbridge_device_last_seen_timestamp_seconds"]
    assert (len(events), len(seen)) == (201, 200)
    assert value(samples, "events_total", device="other", kind="pre_offvehicle") == 10


async def test_every_metric_is_documented_and_no_other(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text("utf-8")
    documented = {
        name.removesuffix("_total").removesuffix("_info")
        for name in re.findall(r"^\| `(boxbridge_\w+)` \|", page, re.MULTILINE)
    }
    async with bridge_with(tmp_path) as running:
        text = (await running.control.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (boxbridge_\w+?)(?:_total|_info)? ", text, re.MULTILINE))
    assert {name for name in there if not name.endswith("_created")} == documented
