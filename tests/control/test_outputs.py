"""People pause, rename and forget outputs, and ask for replays: what could not be kept is never called done."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from bridge import Rejected
from tests.control.test_api import SINK, get, push
from tests.daemon import Running, bridge_with
from tests.journal.faults import Fault
from tests.rooms import Bringing, Disk, Far, async_output, until

pytestmark = pytest.mark.anyio

OTHER = '[output.other]\ntype = "sink"\n'


def sink(far: Far) -> Bringing:
    return Bringing(async_output("sink", far))


async def post(running: Running, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await running.socket.post(path, json=body or {})
    assert answer.status_code == status, answer.text
    return answer.json()


def configure_only(running: Running, folder: Path, *tables: str) -> Any:
    """Write the file with these tables for outputs, and take it over."""
    file = folder / "boxbridge.toml"
    head = file.read_text().split("[output", 1)[0]
    file.write_text(head + "".join(tables))
    return running.daemon.reload()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/outputs/sink/pause", {}),
        ("/api/v1/outputs/sink/resume", {}),
        ("/api/v1/outputs/other/rename", {"to": "third"}),
        ("/api/v1/outputs/other/forget", {}),
        ("/api/v1/replays", {"output": "sink", "since": "1h"}),
    ],
)
async def test_what_the_disk_does_not_take_is_not_called_done(
    tmp_path: Path, disk: Disk, path: str, body: dict[str, str]
) -> None:
    async with bridge_with(tmp_path, SINK + OTHER, sink(Far())) as running:
        await push(running)
        await configure_only(running, tmp_path, SINK)
        disk.fail()
        said = await post(running, path, body, 503)
        disk.mend()
        assert "No space left on device" in said["error"]
        if "replays" in path:
            assert running.daemon.journal.places.replays == []


def reject(_: object) -> None:
    raise Rejected("no")


async def test_a_dead_letter_that_the_disk_does_not_give_now_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)
    far = Far()
    far.answer = reject
    async with bridge_with(tmp_path, SINK, sink(far)) as running:
        event = await push(running, msg_id="m-1")
        await push(running, msg_id="m-2")  # so that the first is in memory no longer
        await until(lambda: running.daemon.journal.cursors["sink"].dead == 2)
        with monkeypatch.context() as away:
            for call in ("pread", "preadv"):
                Fault(away, call, errno.EIO, times=10**6)
            (letter,) = (await get(running, f"/api/v1/dead?event={event}"))["letters"]
    assert (letter["reason"], letter["lost"]) == ("no", False)


async def test_a_retry_that_the_disk_does_not_take_is_not_called_done(tmp_path: Path, disk: Disk) -> None:
    far = Far()
    far.answer = reject
    async with bridge_with(tmp_path, SINK, sink(far)) as running:
        await push(running)
        await until(lambda: running.daemon.journal.cursors["sink"].dead)
        await running.daemon.journal.write_all()
        disk.fail()
        said = await post(running, "/api/v1/dead/drop", {"all": True}, 503)
        disk.mend()
    assert said["error"].startswith("it is done, but lost in a crash until the journal can be written again: ")


async def test_a_replay_ends_with_the_place_that_a_rename_replaces(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, SINK + OTHER, sink(Far())) as running:
        for _ in range(3):
            await push(running)
        await configure_only(running, tmp_path, OTHER)
        journal = running.daemon.journal
        asked = await post(running, "/api/v1/replays", {"output": "other", "since": "1h", "rate": 0.1})
        assert asked["events"] == 3
        await post(running, "/api/v1/outputs/sink/rename", {"to": "other"})
        assert (await running.socket.get("/api/v1/replays")).json() == []
        await until(lambda: not journal.places.replays)


async def test_a_full_journal_lets_go_of_an_output(tmp_path: Path) -> None:
    """It is what makes room, and what a full journal tells people to do."""
    async with bridge_with(tmp_path, SINK + OTHER, sink(Far())) as running:
        await push(running)
        await configure_only(running, tmp_path, SINK)
        running.daemon.journal.room.refuse(1, "")
        await post(running, "/api/v1/outputs/other/forget")
        assert "other" not in running.daemon.journal.cursors


async def test_a_forgotten_output_clears_away_what_it_keeps_at_its_far_side(tmp_path: Path) -> None:
    class Tidy(async_output("sink", Far())):  # type: ignore[misc]
        async def forget(self) -> str:
            if self.name == "other":
                raise ConnectionError("the far side is away")
            return "all is taken away"

    async with bridge_with(tmp_path, SINK + OTHER, Bringing(Tidy)) as running:
        await configure_only(running, tmp_path, '[output.third]\ntype = "sink"\n')
        said = [await post(running, f"/api/v1/outputs/{name}/forget") for name in ("sink", "other")]
    assert said[0]["done"].splitlines()[1] == "all is taken away"
    assert said[1]["done"].splitlines()[1] == "what it keeps at its far side stays there: the far side is away"


async def test_what_nobody_knows_the_far_side_of_is_said_to_stay_there(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, SINK + OTHER, sink(Far())):
        pass
    async with bridge_with(tmp_path, SINK, sink(Far())) as running:
        said = await post(running, "/api/v1/outputs/other/forget")
    assert "not configured since boxbridge was started" in said["done"]
